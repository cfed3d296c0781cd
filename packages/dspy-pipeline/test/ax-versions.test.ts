import { afterEach, describe, expect, it, vi } from 'vitest';
import { useModel } from './support/model.js';

const model = useModel();

/** Vitest insists that a mock names them; in a real older module they are simply undefined. */
const NEWER = { AxBestOfN: undefined, AxRefine: undefined };

afterEach(() => {
  vi.doUnmock('@ax-llm/ax');
  vi.resetModules();
});

describe.each(['ax19', 'ax23', '@ax-llm/ax'])('with %s', (ax) => {
  it('the library runs with its defaults, checks and names', async () => {
    if (ax !== '@ax-llm/ax')
      vi.doMock('@ax-llm/ax', async () => ({ ...NEWER, ...(await import(ax)) }));
    vi.resetModules();
    const { createProgram, signatureRegistry } = await import('../src/index.js');
    const { ai } = await import(ax);
    const service = ai({ name: 'openai', apiKey: 'test', apiURL: model.apiURL() });
    expect(signatureRegistry.names()).toHaveLength(16);
    const label = (value: string) => `Classification: ["${value}"]\nConfidence: {}\nReasoning: r`;
    model.play([label('c'), label('a')]);
    const program = createProgram('ClassifyText', {
      demos: [{ text: 'shown', categories: ['a'], classification: ['a'] }],
    });
    const result = await program.forward(service, { text: 't', categories: ['a'] });
    expect(result.classification).toEqual(['a']);
    expect(model.requests()).toHaveLength(2);
    expect(JSON.stringify(model.requests()[0])).toContain('shown');
    expect(model.prompt(0)).toContain('Threshold: 0.5');
    program.setDescription('Sort it.');
    await expect(program.forward(service, { text: 't', categories: [] })).rejects.toThrow(
      'missing required input: categories',
    );
  });
});
