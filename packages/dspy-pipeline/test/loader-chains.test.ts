import { describe, expect, it } from 'vitest';
import { ConfigError, DspyModelLoader } from '../src/index.js';
import { useFolder } from './support/folder.js';

const folder = useFolder();
const loader = new DspyModelLoader({ root: folder.path });

const SIGNATURES = `
  Draft: { inputs: [topic:str], outputs: [draft:str, outline?:str] }
  Count: { inputs: [draft:str], outputs: [words:int] }
  Judge: { inputs: [text:str, limit?:int], outputs: [verdict:bool] }
  Notes: { inputs: [lines:list], outputs: [remark:str] }
  Echo: { inputs: [draft:str], outputs: [topic:str] }
`;

/** What the report says of a chain, or what its program takes and gives. */
async function wire(chain: string): Promise<string[] | string> {
  const path = folder.write(
    'c.yaml',
    `name: c\nversion: "1"\nsignatures:${SIGNATURES}chains:\n  C: ${chain}\n`,
  );
  try {
    const program = await loader.loadFromConfig(path);
    return String((program as unknown as { getSignature(): unknown }).getSignature());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ path: place, message }) => `${place}: ${message}`);
  }
}

describe('the wiring of a chain', () => {
  it.each([
    ['feeds by name', '{ steps: [Draft, Count] }', 'topic:string -> words:number'],
    [
      'asks the caller for what no step gives',
      '{ steps: [Draft, { signature: Judge, inputs: { text: draft } }] }',
      'topic:string, limit?:number -> verdict:boolean',
    ],
    [
      'asks under the name of the mapping',
      '{ steps: [{ signature: Judge, inputs: { text: article } }] }',
      'article:string, limit?:number -> verdict:boolean',
    ],
    [
      'requires what any step requires',
      '{ steps: [{ signature: Judge, inputs: { limit: draft_size, text: topic } }, Draft] }',
      'topic:string, draftSize?:number -> draft:string, outline?:string',
    ],
    [
      'gives what the output signature says',
      '{ steps: [Draft, Count], output_signature: Draft }',
      'topic:string -> draft:string, outline?:string',
    ],
  ])('%s', async (_, chain, signature) => {
    expect(await wire(chain)).toBe(signature);
  });

  it.each([
    [
      'a step without its input',
      '{ steps: [Judge], input_signature: Draft }',
      ['chains.C.steps[0]: nothing gives Judge its required input text'],
    ],
    [
      'a type that does not fit',
      '{ steps: [Draft, { signature: Notes, inputs: { lines: draft } }] }',
      ['chains.C.steps[1].inputs.lines: Notes cannot take it: draft is string, lines is string[]'],
    ],
    [
      'an output that may be absent',
      '{ steps: [Draft, { signature: Judge, inputs: { text: outline } }] }',
      [
        'chains.C.steps[1].inputs.text: Judge cannot take it: outline may be absent and text is required',
      ],
    ],
    [
      'a mistyped source',
      '{ steps: [Draft, { signature: Judge, inputs: { text: drat } }] }',
      ['chains.C.steps[1].inputs.text: nothing is called drat. Did you mean draft?'],
    ],
    [
      'a source that only a later pass has',
      '{ steps: [{ signature: Judge, inputs: { text: draft } }, Draft], max_iterations: 2 }',
      ['chains.C.steps[0].inputs.text: nothing gives Judge its required input text'],
    ],
    [
      'an output that no step gives',
      '{ steps: [Draft], output_signature: Judge }',
      ['chains.C.output_signature: no step gives verdict'],
    ],
    [
      'a name on both sides',
      '{ steps: [Draft, Echo] }',
      ['chains.C.outputs[0]: Field name "topic" appears in both inputs and outputs'],
    ],
    [
      'an until of the wrong type',
      '{ steps: [Draft], max_iterations: 2, until: { field: draft, at_least: 2 } }',
      ['chains.C.until: at_least needs a number, and draft is string'],
    ],
    [
      'an until that nothing gives',
      '{ steps: [Draft], max_iterations: 2, until: draf }',
      ['chains.C.until: no step gives draf. Did you mean draft?'],
    ],
  ])('reports %s', async (_, chain, problems) => {
    expect(await wire(chain)).toEqual(problems);
  });
});
