import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MockModel, startMockModel } from '../support/mock-model.js';
import { PROGRAMS } from './programs/index.js';
import { MODES, type RunReport, type RunRequest } from './programs/modes.js';
import { bundle } from './support/bundle.js';

type Mode = RunRequest['mode'];

const folder = mkdtempSync(join(tmpdir(), 'robust-'));
const reports = new Map<Mode, RunReport>();
/** Takes requests and never answers. */
const silent = createServer(() => {});
let model: MockModel;

beforeAll(async () => {
  const program = await bundle('programs/run.ts');
  model = await startMockModel({
    script: ({ model }) => {
      if (model === 'overloaded') return { status: 503, message: 'overloaded' };
      if (model === 'refused') return { status: 400, message: 'bad request', code: 'bad' };
      if (model === 'unauthorized') return { status: 401, message: 'bad key' };
      return 'Answer Text: four';
    },
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const waiting = Object.keys(MODES) as Mode[];
  const worker = async (): Promise<void> => {
    for (let mode = waiting.shift(); mode !== undefined; mode = waiting.shift()) {
      reports.set(mode, await run(program, mode));
    }
  };
  await Promise.all([worker(), worker()]);
});

afterAll(async () => {
  await model.stop();
  silent.closeAllConnections();
  silent.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(program: string, mode: Mode): Promise<RunReport> {
  const name = mode.replaceAll(/\W/g, '-');
  const request: RunRequest = {
    mode,
    urls: {
      model: model.apiURL,
      silent: `http://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`,
    },
    folder: join(folder, name),
    out: join(folder, `${name}.json`),
  };
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--disable-warning=ExperimentalWarning', program, JSON.stringify(request)],
    { stdio: ['ignore', 'inherit', 'pipe'], env: { PATH: process.env.PATH, HOME: folder } },
  );
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(readFileSync(request.out, 'utf8')) as RunReport;
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

describe.each(traced)('tracing %s', (mode) => {
  it.each(Object.keys(PROGRAMS))('%s', (name) => {
    expect(reports.get(mode)?.journals[name]).toEqual(plain(name));
  });

  it('says what is wrong, and no more', () => {
    const expected = said[mode] ?? [];
    expect(reports.get(mode)?.said).toEqual(expected.map((text) => expect.stringMatching(text)));
  });

  it('leaves nothing that keeps the process alive', () => {
    expect(reports.get(mode)?.handles).toEqual(reports.get('off')?.handles);
  });
});
