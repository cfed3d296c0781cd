import { afterEach, describe, expect, it, vi } from 'vitest';
import { useFolder } from './support/folder.js';
import { useModel } from './support/model.js';

const model = useModel();
const folder = useFolder();

/** Vitest insists that a mock names them; in a real older module they are simply undefined. */
const NEWER = { AxBestOfN: undefined, AxRefine: undefined };

afterEach(() => {
  vi.doUnmock('@ax-llm/ax');
  vi.resetModules();
});

describe.each(['ax19', 'ax23', '@ax-llm/ax'])('with %s', (ax) => {
  const use = async () => {
    if (ax !== '@ax-llm/ax')
      vi.doMock('@ax-llm/ax', async () => ({ ...NEWER, ...(await import(ax)) }));
    vi.resetModules();
    const { ai } = await import(ax);
    const service = ai({ name: 'openai', apiKey: 'test', apiURL: model.apiURL() });
    return { service, ...(await import('../src/index.js')) };
  };

  it('the library runs with its defaults, checks and names', async () => {
    const { service, createProgram, signatureRegistry } = await use();
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

  it('a loaded chain iterates, and the executor runs and stops programs', async () => {
    const { service, DspyModelLoader, DspyPipelineExecutor, identityOf } = await use();
    folder.write(
      'chain.yaml',
      `name: polish
version: "1"
signatures: { Judge: { inputs: [text:str], outputs: [verdict:bool, response:str] } }
chains:
  Polish:
    steps: [SummarizeText, { signature: Judge, inputs: { text: summary } }]
    max_iterations: 5
    iterate_from: Judge
    until: verdict
model_config: { model_name: gpt-4o, temperature: 0.5 }
`,
    );
    const program = await new DspyModelLoader({ root: folder.path }).loadFromConfig('chain.yaml');
    expect(identityOf(program)).toMatchObject({ name: 'polish', version: '1' });
    let judged = 0;
    model.play(({ messages }) =>
      String(messages[0]?.content).includes('`Verdict`')
        ? `Verdict: ${++judged > 1}\nResponse: r${judged}`
        : 'Summary: s\nKey Points: ["k", "l"]',
    );
    const executor = new DspyPipelineExecutor({
      ai: service,
      mlflowTracking: false,
      logLevel: 'silent',
    });
    const result = await executor.execute({ program, inputs: { text: 'long' } });
    expect(result).toMatchObject({
      success: true,
      outputs: { verdict: true, response: 'r2' },
      programName: 'polish',
    });
    expect(model.requests()).toHaveLength(3);
    expect(model.requests()[1]).toMatchObject({ model: 'gpt-4o', temperature: 0.5 });

    model.play(['']);
    const controller = new AbortController();
    const stopped = executor.execute({
      program: 'DraftText',
      inputs: { topic: 't', purpose: 'p' },
      signal: controller.signal,
    });
    controller.abort();
    expect(await stopped).toMatchObject({ success: false, error: { code: 'ABORTED' } });
  });
});
