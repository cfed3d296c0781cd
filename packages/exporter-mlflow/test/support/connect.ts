import type { Connection } from '../../src/server/connection.js';
import { createConnection } from '../../src/server/http.js';
import {
  describeProblems,
  resolveSettings,
  type ServerOptions,
} from '../../src/server/settings.js';

/** A connection as the exporter opens it. */
export function connectTo(options: ServerOptions, env: Record<string, string> = {}): Connection {
  const result = resolveSettings(options, env);
  if (!result.ok) throw new Error(describeProblems(result.problems));
  const { destination } = result.settings;
  if (destination.kind !== 'server') throw new Error('not a server');
  return createConnection(destination.connection);
}
