import { agents } from './agents.js';
import { classes } from './classes.js';
import { flows } from './flows.js';
import { generators } from './generators.js';
import { services } from './services.js';
import { streams } from './streams.js';
import { surfaces } from './surfaces.js';
import { tools } from './tools.js';
import type { Programs } from './world.js';

/** Every program that must do the same with and without tracing, by its name. */
export const PROGRAMS: Programs = Object.fromEntries(
  Object.entries({
    generators,
    tools,
    streams,
    flows,
    services,
    classes,
    agents,
    surfaces,
  }).flatMap(([group, programs]) =>
    Object.entries(programs).map(([name, program]) => [`${group}: ${name}`, program]),
  ),
);
