import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MlflowClient, MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportSpans, makeSpan } from '../../packages/exporter-mlflow/test/support/spans.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { runSnippet, snippetsOf, typeErrors } from '../support/snippets.js';

const DOCUMENT = 'docs/mlflow-client.md';
const experimentName = 'support';

describe('docs/mlflow-client.md', () => {
  let server: TestMlflowServer;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'docs-'));
    server = await startMlflowServer();
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true });
  });

  it('has code that type-checks', async () => {
    expect(await typeErrors(DOCUMENT)).toBe('');
  });

  it.each(['server', 'local store'])('runs on a %s', async (kind) => {
    const trackingUri = kind === 'server' ? server.url : `file:${join(folder, 'traces')}`;
    const exporter = new MlflowSpanExporter({ trackingUri, experimentName });
    const attributes = { 'input.value': '{"question":"broken?"}', 'output.value': 'Reset it.' };
    await exportSpans(exporter, [makeSpan({ name: 'helpdesk', attributes })]);
    await exporter.shutdown();
    const run = async (heading: string) => {
      const found = snippetsOf(DOCUMENT).find((one) => one.heading === heading);
      const result = await runSnippet(found?.code ?? '', {
        env: { MLFLOW_TRACKING_URI: trackingUri },
      });
      expect(result).toMatchObject({ code: 0, stderr: '' });
      return result.stdout;
    };
    const read = await run('Reading traces');
    expect(read).toMatch(/^Module: helpdesk\nDuration: \d+ ms\n/);
    expect(read).toContain("Inputs: { question: 'broken?' }\nOutputs: Reset it.");
    expect(read).toMatch(/\[ '\w+ helpdesk' \]\n$/);
    const feedback = await run('Feedback');
    expect(feedback).toContain("kind: 'feedback', name: 'helpful', value: true");
    expect(feedback).toContain("kind: 'expectation', name: 'answer', value: 'Reset it.'");
    expect(await run('Runs')).toBe('FINISHED\n');
    const client = new MlflowClient({ trackingUri, experimentName });
    const [trace] = await client.getTraces().toArray();
    expect(trace?.assessments).toHaveLength(2);
    await client.close();
  });
});
