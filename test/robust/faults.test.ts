import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probes } from './faults/probes.js';
import {
  type DeliveryReport,
  type DeliveryRequest,
  type FaultReport,
  type FaultRequest,
  type Outcome,
  SDK_PARTS,
  type SdkOutcome,
} from './faults/report.js';
import { SHELL } from './faults/shell.js';
import { PROGRAMS } from './programs/index.js';
import { bundle } from './support/bundle.js';
import { runChild } from './support/process.js';
import { type Servers, startServers } from './support/servers.js';

const folder = mkdtempSync(join(tmpdir(), 'faults-'));
let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(async () => {
  await servers.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function run(program: string, leaveOut: readonly string[]): Promise<unknown> {
  const out = join(folder, 'report.json');
  const request: FaultRequest = { urls: servers.urls, out, leaveOut, programsPerFunction: 2 };
  expect(await runChild(program, request, { HOME: folder })).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  });
  return JSON.parse(readFileSync(out, 'utf8'));
}

/** Families of programs that reach the same functions: one member is enough. */
const FAMILIES = [
  /^generators: a model that throws /,
  /^tools: a(n async)? tool that (throws|rejects) /,
  /^tools: a tool that (returns|resolves) /,
  /^streams: read \d deep, then return/,
  /^streams: read \d deep, then throw/,
  /^streams: read \d deep, then nothing/,
];
/** They take as long as the abort does. */
const SLOW = /^services: over HTTP, aborted/;

function repeated(): string[] {
  const names = Object.keys(PROGRAMS);
  const members = FAMILIES.flatMap((family) => names.filter((name) => family.test(name)).slice(1));
  return [...members, ...names.filter((name) => SLOW.test(name))];
}

describe('a function of the instrumentation that throws', () => {
  const ids = new Set<string>();
  let report: FaultReport;
  beforeAll(async () => {
    const program = await bundle('faults/run.ts', [probes(['instrumentation-dspy'], ids)]);
    report = (await run(program, repeated())) as FaultReport;
  });

  const shell = new Set(
    Object.entries(SHELL).flatMap(([file, names]) =>
      names.map((name) => `instrumentation-dspy/${file} ${name}`),
    ),
  );
  const summary = ({ id, at, program, difference }: Outcome) => ({ id, at, program, difference });

  it('is tried with nine of ten of those that run in a call', () => {
    const inCall = [...ids].filter((id) => /\/(capture|execution|hooks|attributes)\//.test(id));
    const reached = inCall.filter((id) => report.functions.includes(id));
    expect(reached.length / inCall.length).toBeGreaterThan(0.8);
    expect(reached.length).toBeGreaterThan(600);
  });

  it('changes nothing for the program', () => {
    const changed = report.outcomes.filter(({ id, same }) => !same && !shell.has(id));
    expect(changed.map(summary)).toEqual([]);
  });

  it('would change something only where it stands between the program and its own call', () => {
    const needed = new Set(report.outcomes.filter(({ same }) => !same).map(({ id }) => id));
    expect([...shell].filter((id) => !needed.has(id))).toEqual([]);
  });

  it('is counted', () => {
    const silent = report.outcomes.filter(
      ({ id, fired, counted, same }) => fired > 0 && counted === 0 && same && !isSaid(id),
    );
    expect(silent.map(({ id, at, program }) => ({ id, at, program }))).toEqual([]);
  });

  /** Functions whose failure shows in what is recorded, or in a warning, in the place of a count. */
  function isSaid(id: string): boolean {
    return SAID.some((pattern) => pattern.test(id)) || shell.has(id);
  }
  const SAID = [
    // A value is recorded as `[threw: …]`, or counts as unknown.
    /\/capture\/(describe|media|read|scrub|urls|writer)\.ts /,
    // The content is withheld.
    /\/capture\/removed-values\.ts /,
    /\/execution\/(callback|clone|sanitize)\.ts /,
    // The data set is left out.
    /\/hooks\/(evaluation\.ts (fieldsOf|rowsOf)|run-record\.ts )/,
    /\/diagnostics\.ts /,
    // Run by whoever sets a value in the context.
    /\/execution\/context\.ts (Layer\.|flat)/,
  ];
});

describe('a part of the SDK that throws', () => {
  let outcomes: SdkOutcome[];
  beforeAll(async () => {
    const few = [
      'generators: a question',
      'generators: an answer that never is right',
      'tools: two tools at once',
      'streams: read to its end',
      'streams: left after 2 by break',
      'streams: a stream that breaks',
      'flows: branches at the same time',
      'services: a plain object',
      'services: a balancer over HTTP',
      'classes: the best of three',
      'agents: an agent whose code calls a tool',
      'surfaces: within a context',
      'surfaces: a call of its own',
      'surfaces: an evaluation',
    ];
    const program = await bundle('faults/sdk.ts');
    const others = Object.keys(PROGRAMS).filter((name) => !few.includes(name));
    outcomes = (await run(program, others)) as SdkOutcome[];
  });

  it.each(SDK_PARTS)('%s changes nothing for the programs, and is counted', (part) => {
    const tried = outcomes.filter((outcome) => outcome.part === part);
    expect(tried.some(({ fired }) => fired > 0)).toBe(true);
    expect(tried.filter(({ same }) => !same)).toEqual([]);
    // What an exporter throws the SDK's own processor catches.
    const counts = part !== 'exporter.export';
    const silent = tried.filter(({ fired, counted }) => counts && fired > 0 && counted === 0);
    expect(silent).toEqual([]);
  });
});

describe('a function of the exporter that throws', () => {
  const ids = new Set<string>();
  let report: DeliveryReport;
  beforeAll(async () => {
    const program = await bundle('faults/delivery.ts', [probes(['exporter-mlflow'], ids)]);
    const out = join(folder, 'delivery.json');
    const request: DeliveryRequest = { folder, out };
    const ended = await runChild(program, request, { HOME: folder });
    expect(ended).toMatchObject({ code: 0, stdout: '' });
    report = JSON.parse(readFileSync(out, 'utf8')) as DeliveryReport;
  });

  it('is tried with most of those that a delivery reaches', () => {
    expect(report.functions.length).toBeGreaterThan(300);
  });

  /** The guards themselves: nothing of ours stands between them and who called. */
  const GUARDS = [
    /^exporter-mlflow\/exporter\.ts MlflowSpanExporter\.(export|forceFlush|flushSync|shutdown|stats|#tellDrops)(\/.*)?$/,
    /^exporter-mlflow\/diagnostics\.ts (say|describe|Diagnostics\.guard(\/\(anonymous\))?)$/,
  ];
  const guarded = () => report.outcomes.filter(({ id }) => !GUARDS.some((one) => one.test(id)));

  it('reaches neither the caller nor the process, and every export is answered once', () => {
    const harmed = guarded().filter(
      ({ unhandled, callbacks }) => unhandled.length > 0 || callbacks !== 1,
    );
    expect(harmed).toEqual([]);
  });

  it('holds nobody up', () => {
    expect(guarded().filter(({ hung }) => hung.length > 0)).toEqual([]);
  });

  /** What the counts are made of: without it there are none. */
  const COUNTS =
    /(\.ts|\.)(stats|totals|#?bytes|folded|dropped|#lose|#count\w*)(\/\(anonymous\))?( \d)?$/;

  it('leaves no span of which nothing is known', () => {
    const unknown = guarded().filter(
      ({ id, unaccounted }) => unaccounted !== 0 && !COUNTS.test(id),
    );
    expect(unknown).toEqual([]);
  });
});
