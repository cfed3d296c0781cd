import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROGRAMS } from './programs/index.js';
import { MODES, type RunReport, type RunRequest } from './programs/modes.js';
import { bundle } from './support/bundle.js';
import { runChild } from './support/process.js';
import { type Servers, startServers } from './support/servers.js';

type Mode = RunRequest['mode'];

const folder = mkdtempSync(join(tmpdir(), 'robust-'));
const reports = new Map<Mode, RunReport>();
let servers: Servers;

beforeAll(async () => {
  const program = await bundle('programs/run.ts');
  servers = await startServers();
  const waiting = Object.keys(MODES) as Mode[];
  const worker = async (): Promise<void> => {
    for (let mode = waiting.shift(); mode !== undefined; mode = waiting.shift()) {
      reports.set(mode, await run(program, mode));
    }
  };
  await Promise.all([worker(), worker()]);
});

afterAll(async () => {
  await servers.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function run(program: string, mode: Mode): Promise<RunReport> {
  const name = mode.replaceAll(/\W/g, '-');
  const out = join(folder, `${name}.json`);
  const request: RunRequest = { mode, urls: servers.urls, folder: join(folder, name), out };
  expect(await runChild(program, request, { HOME: folder })).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  });
  return JSON.parse(readFileSync(out, 'utf8')) as RunReport;
}

const plain = (name: string) => reports.get('off')?.journals[name];

describe('the programs', () => {
  it('do the same twice without tracing', () => {
    expect(reports.get('off again')?.journals).toEqual(reports.get('off')?.journals);
  });

  it('are recorded where they should be', () => {
    expect(reports.get('off')?.spans).toBe(0);
    expect(reports.get('with sampling at zero')?.spans).toBe(0);
    expect(reports.get('on')?.spans).toBeGreaterThan(Object.keys(PROGRAMS).length);
  });
});

const traced = (Object.keys(MODES) as Mode[]).filter((mode) => !mode.startsWith('off'));

/** What tracing says of itself, once each: nothing, where nothing is wrong. */
const said: Partial<Record<Mode, RegExp[]>> = {
  'on, to a server that is not there': [/no answer from MLflow/],
  'with callbacks that throw': [
    /moduleFilter threw/,
    /traceCondition threw/,
    /inputSanitizer threw/,
    /outputSanitizer threw/,
  ],
};
/** A program's own mistake. */
const unknownValue = /withTraceContext: "unknown" is unknown/;

describe.each(traced)('tracing %s', (mode) => {
  it.each(Object.keys(PROGRAMS))('%s', (name) => {
    expect(reports.get(mode)?.journals[name]).toEqual(plain(name));
  });

  it('says what is wrong, and no more', () => {
    const lines = reports.get(mode)?.said.filter((line) => !unknownValue.test(line));
    expect(lines).toEqual((said[mode] ?? []).map((text) => expect.stringMatching(text)));
  });

  it('leaves nothing that keeps the process alive', () => {
    expect(reports.get(mode)?.handles).toEqual(reports.get('off')?.handles);
  });
});
