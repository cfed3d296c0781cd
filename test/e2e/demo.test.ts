import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/cache.mjs';
import { startGroup } from '../../scripts/lib/processes.mjs';
import { flatten, MlflowRest, type StoredSpan, type StoredTrace } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { type ProgramResult, runProgram } from '../support/run-program.js';

const EXPERIMENT = 'support-desk';

let server: TestMlflowServer;
let demo: ProgramResult;
let traces: StoredTrace[];

beforeAll(async () => {
  server = await startMlflowServer();
  demo = await runProgram('scripts/demo.mjs', { env: { MLFLOW_TRACKING_URI: server.url } });
  traces = await new MlflowRest(server.url).traces(EXPERIMENT, 6);
});
afterAll(() => server?.stop());

const trace = (name: string): StoredTrace => {
  const found = traces.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no trace "${name}" among ${traces.map((t) => t.name).join(', ')}`);
  return found;
};
const spansOf = (name: string): StoredSpan[] => flatten(trace(name).roots);
const types = (spans: readonly StoredSpan[]) => spans.map(({ type }) => type);

describe('npm run demo', () => {
  it('ends well and shows every trace as a tree with the address of its page', () => {
    expect(demo.stderr).toBe('');
    expect(demo.code).toBe(0);
    for (const { id, experimentId } of traces) {
      const page = `/#/experiments/${experimentId}/traces?selectedEvaluationId=${id}`;
      expect(demo.stdout).toContain(`${server.url}${page}`);
    }
    expect(demo.stdout).toMatch(/└─ chat gpt-4o-mini +CHAT_MODEL +\d.*tokens +\$0\.0/);
    expect(demo.stdout).toMatch(/AccountReader +ERROR/);
  });

  it('leaves one trace of each execution', () => {
    expect(traces.map(({ name }) => name)).toEqual([
      'Triage',
      'OrderDesk',
      'AxFlow(reviewText -> mood, topics)',
      'Handbook Agent',
      'Letter',
      'AccountReader',
    ]);
    expect(traces.map(({ roots }) => roots.length)).toEqual([1, 1, 1, 1, 1, 1]);
  });
});
