import { describe, expect, it } from 'vitest';
import type { Connection, ServerRequest, ServerResponse } from '../../src/server/connection.js';
import { createRunRecorder } from '../../src/server/runs.js';
import { runRecord } from '../support/records.js';

type Answers = Record<string, (request: ServerRequest) => Partial<ServerResponse>>;

/** A server's answers by the last word of the path; the order of calls is kept. */
function answering(answers: Answers): Connection & { calls: string[] } {
  const calls: string[] = [];
  return {
    address: 'http://h',
    calls,
    async send(request) {
      const name = request.path.split('/').at(-1) as string;
      calls.push(name);
      const text = answers[name]?.(request) ?? {};
      return { status: 200, headers: {}, text: '{}', ...text };
    },
    close: async () => undefined,
  };
}

const experiments = { resolve: async () => '1', forget: () => undefined };
const run = (id: string, artifact_uri = 'mlflow-artifacts:/1/r/artifacts') => ({
  text: JSON.stringify({ run: { info: { run_id: id, experiment_id: '1', artifact_uri } } }),
});

describe('run recorder', () => {
  it('looks again for a run that was deleted while it was written', async () => {
    let made = 0;
    const gone = {
      status: 404,
      text: '{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Run r1 not found"}',
    };
    const connection = answering({
      create: () => run(`r${++made}`),
      'log-batch': () => (made === 1 ? gone : {}),
    });
    const recorder = createRunRecorder(connection, experiments);
    const record = runRecord();
    await expect(recorder.record(record)).rejects.toMatchObject({ status: 404 });
    expect(await recorder.record(record)).toMatchObject({ runId: 'r2', warnings: [] });
    expect(connection.calls.filter((name) => name === 'search')).toHaveLength(2);
  });

  it.each([
    ['s3://bucket/1/r', 's3:'],
    ['/var/mlruns/1/r', 'a folder'],
  ])(
    'goes on without artifacts that the server does not take (%s), and says so',
    async (uri, storage) => {
      const tags: unknown[] = [];
      const connection = answering({
        create: () => run('r', uri),
        'log-batch': ({ body }) => {
          tags.push(...(body as { tags: unknown[] }).tags);
          return {};
        },
      });
      const recorder = createRunRecorder(connection, experiments);
      const made = await recorder.record(runRecord({ artifacts: { 'model.json': '{}' } }));
      expect(made.warnings).toEqual([
        expect.stringMatching(`^model.json: artifacts go to ${storage} .*--artifacts-destination`),
      ]);
      expect(tags).toContainEqual({ key: 'dspy.artifacts_skipped', value: made.warnings[0] });
      expect(connection.calls.at(-1)).toBe('update');
    },
  );

  it.each([
    ['its own, where the child tells', { parentStartTimeMs: 1_000 }, 1_000],
    ["the child's, where nothing tells", {}, 5_000],
  ])('begins a parent for its child with a start of %s', async (_, known, expected) => {
    const starts: unknown[] = [];
    const connection = answering({
      create: ({ body }) => {
        starts.push((body as { start_time: number }).start_time);
        return run(`r${starts.length}`);
      },
    });
    const recorder = createRunRecorder(connection, experiments);
    await recorder.record(runRecord({ parentKey: 'a:1', startTimeMs: 5_000, ...known }));
    expect(starts).toEqual([expected, 5_000]);
  });

  it('ends every begun parent though one fails, and tells', async () => {
    let made = 0;
    const ended: string[] = [];
    const connection = answering({
      create: () => run(`r${++made}`),
      update: ({ body }) => {
        const { run_id, status } = body as { run_id: string; status: string };
        if (status !== 'KILLED') return {};
        ended.push(run_id);
        return ended.length === 1 ? { status: 503, text: '' } : {};
      },
    });
    const recorder = createRunRecorder(connection, experiments);
    await recorder.record(runRecord({ parentKey: 'a:1' }));
    await recorder.record(runRecord({ parentKey: 'b:1' }));
    await expect(recorder.close()).rejects.toMatchObject({ status: 503 });
    expect(ended).toHaveLength(2);
    await recorder.close();
    expect(ended).toHaveLength(2);
  });
});
