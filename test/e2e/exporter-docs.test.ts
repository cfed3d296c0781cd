import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MlflowClient } from '@hokusai/exporter-mlflow';
import { describe, expect, it } from 'vitest';
import { runSnippet, snippetsOf, typeErrors } from '../support/snippets.js';

const DOCUMENT = 'packages/exporter-mlflow/README.md';

describe(DOCUMENT, () => {
  it('has code that type-checks', async () => {
    expect(await typeErrors(DOCUMENT)).toBe('');
  });

  it('has a quick start that leaves a trace', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'exporter-docs-'));
    try {
      const trackingUri = `file:${join(folder, 'traces')}`;
      const [quickStart] = snippetsOf(DOCUMENT).filter(({ language }) => language === 'ts');
      const result = await runSnippet(quickStart?.code ?? '', {
        env: { MLFLOW_TRACKING_URI: trackingUri },
      });
      expect(result).toMatchObject({ code: 0, stderr: '' });
      const client = new MlflowClient({ trackingUri, experimentName: 'my-app' });
      const traces = await client.getTraces().toArray();
      expect(traces).toMatchObject([
        { name: 'answer', state: 'OK', inputs: { question: 'one plus one?' }, outputs: 'two' },
      ]);
      await client.close();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
