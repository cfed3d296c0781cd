import { AxFlow, AxGen } from '@ax-llm/ax';
import { describe, expect, it } from 'vitest';
import { ConfigError, DspyModelLoader, identityOf, type LoadedProgram } from '../src/index.js';
import { useFolder } from './support/folder.js';
import { useModel } from './support/model.js';

const model = useModel();
const folder = useFolder();
const loader = new DspyModelLoader({ root: folder.path, env: { MODEL: 'gpt-4o-mini' } });

/** Written so, for a linter would take it for a mistaken template. */
const ENV_TOKEN = ['$', '{TOKEN}'].join('');

let count = 0;
async function load(yaml: string, extension = 'yaml'): Promise<LoadedProgram> {
  return loader.loadFromConfig(folder.write(`config-${++count}.${extension}`, yaml));
}

/** The report of a file that cannot be used, without the file's own path. */
async function reportOf(yaml: string): Promise<string[]> {
  const error = await load(yaml).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  const { file, message, problems } = error as ConfigError;
  expect(file).toMatch(/config-\d+\.yaml$/);
  expect(message.split('\n')).toHaveLength(problems.length + 1);
  return message
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
}

describe('a config file with one signature', () => {
  const yaml = `
name: support-reply
version: "2.1"
description: Answers customers
author: support team
source:
  type: local
signatures:
  Reply:
    description: Answer the customer in the voice of the shop.
    instruction: Never promise a refund.
    inputs:
      - customer_message:str
      - tone?:str="warm"
      - name: max_words
        type: int
        optional: true
        default: 50
        min: 1
        description: longest reply
      - 'history?: string[]'
    outputs:
      - reply:str
      - name: mood
        options: [happy, angry]
      - 'certainty:number(min 0, max 1)'
    examples:
      - input: { customer_message: "Where is it?" }
        output: { reply: "On its way.", mood: happy }
model_config:
  model_name: \${MODEL}
  temperature: 0.2
  max_tokens: 300
metrics: [accuracy]
dependencies: [zod]
`;

  it('is a real Ax program, under the name and version of the file', async () => {
    const program = await load(yaml);
    expect(Object.getPrototypeOf(program)).toBe(AxGen.prototype);
    expect(identityOf(program)).toMatchObject({
      name: 'support-reply',
      version: '2.1',
      description: 'Answers customers',
      author: 'support team',
      metrics: ['accuracy'],
      dependencies: ['zod'],
      source: expect.stringContaining(folder.path),
    });
    expect((program as AxGen).getSignature().toString()).toBe(
      '"Answer the customer in the voice of the shop." customerMessage:string, tone?:string, ' +
        'maxWords?:number(min 1) "longest reply", history?:string[] -> ' +
        'reply:string, mood:class "happy | angry", certainty:number(min 0, max 1)',
    );
  });

  it('calls the model with its settings, defaults, demos and instruction', async () => {
    const program = await load(yaml);
    model.play(['Reply: Soon.\nMood: happy\nCertainty: 0.9']);
    const outputs = await program.forward(model.service(), { customerMessage: 'When?' });
    expect(outputs).toEqual({ reply: 'Soon.', mood: 'happy', certainty: 0.9 });
    const [request] = model.requests();
    expect(request).toMatchObject({
      model: 'gpt-4o-mini',
      temperature: 0.2,
      max_completion_tokens: 300,
    });
    const [system, demo, answer, question] = (request?.messages ?? []).map((message) =>
      String(message.content),
    );
    expect(system).toContain('Never promise a refund.');
    expect(demo).toContain('Where is it?');
    expect(answer).toContain('On its way.');
    expect(question).toContain('Tone: warm');
    expect(question).toContain('Max Words: 50');
  });

  it('lets the call override the settings', async () => {
    const program = await load(yaml);
    model.play(['Reply: Soon.\nMood: happy\nCertainty: 0.9']);
    const options = { model: 'gpt-4o', modelConfig: { temperature: 0.9 } };
    await program.forward(model.service(), { customerMessage: 'When?' }, options);
    expect(model.requests()[0]).toMatchObject({
      model: 'gpt-4o',
      temperature: 0.9,
      max_completion_tokens: 300,
    });
  });

  it('reads the same from JSON and from camelCase', async () => {
    const json = {
      name: 'q',
      version: '1',
      signatures: {
        Ask: {
          inputs: ['userQuestion:str'],
          outputs: ['shortAnswer:str'],
          examples: [{ input: { userQuestion: 'a' }, output: { short_answer: 'b' } }],
        },
      },
      modelConfig: { modelName: 'gpt-4o', maxTokens: 7 },
    };
    const program = await load(JSON.stringify(json, null, 2), 'json');
    model.play(['Short Answer: four']);
    expect(await program.forward(model.service(), { userQuestion: '2+2' })).toEqual({
      shortAnswer: 'four',
    });
    expect(model.requests()[0]).toMatchObject({ model: 'gpt-4o', max_completion_tokens: 7 });
  });

  it('takes signatures from the library, with examples, description and checks', async () => {
    const program = await load(`
name: triage
version: "1"
signatures:
  Triage:
    library: classify_text
    description: Sort tickets.
    examples:
      - input: { text: "It burns", categories: [urgent, later] }
        output: { classification: [urgent], confidence: { urgent_case: 1 } }
`);
    expect((program as AxGen).getSignature().getDescription()).toBe('Sort tickets.');
    const label = (value: string) => `Classification: ${value}\nConfidence: {}\nReasoning: r`;
    model.play([label('other'), label('later')]);
    const outputs = await program.forward(model.service(), {
      text: 't',
      categories: ['urgent', 'later'],
    });
    expect(outputs.classification).toEqual(['later']);
    expect(JSON.stringify(model.requests()[0])).toContain('urgent_case');
    const short = await load('name: s\nversion: "1"\nsignatures: { Sum: SummarizeText }');
    expect((short as AxGen).getSignature().getInputFields()[0]?.name).toBe('text');
  });
});

describe('a chain', () => {
  const yaml = `
name: content-pipeline
version: "3"
signatures:
  Judge:
    inputs: [text:str]
    outputs: [score:float, verdict:bool]
chains:
  Content:
    description: Draft, judge, revise.
    steps:
      - DraftText
      - signature: Judge
        inputs: { text: [revised_text, draft] }
      - signature: ReviseText
        inputs: { original_text: [revised_text, draft], feedback: brief }
    max_iterations: 3
    iterate_from: Judge
    until: verdict
model_config: { model_name: gpt-4o, temperature: 0.5 }
`;
  const answers = (accepted: number) => (request: { messages: { content?: unknown }[] }) => {
    const system = String(request.messages[0]?.content);
    const passes = model
      .requests()
      .filter((seen) => String(seen.messages[0]?.content).includes('`Score`')).length;
    if (system.includes('`Draft`')) return 'Draft: first';
    if (system.includes('`Score`')) return `Score: ${passes}\nVerdict: ${passes >= accepted}`;
    return `Revised Text: revision ${passes}\nChanges Made: ["some"]`;
  };

  it('is a flow that takes what no step gives, and iterates until it is done', async () => {
    const program = await load(yaml);
    expect(Object.getPrototypeOf(program)).toBe(AxFlow.prototype);
    expect(identityOf(program)).toMatchObject({ name: 'content-pipeline', version: '3' });
    const signature = (program as unknown as AxGen).getSignature();
    const required = signature.getInputFields().filter((field) => !field.isOptional);
    expect(required.map((field) => field.name)).toEqual(['topic', 'purpose', 'brief']);
    expect(signature.getOutputFields().map((field) => field.name)).toEqual([
      'revisedText',
      'changesMade',
      'revisionNotes',
    ]);

    model.play(answers(2));
    const inputs = { topic: 't', purpose: 'p', brief: 'be short' };
    const outputs = await program.forward(model.service(), inputs);
    expect(outputs).toEqual({ revisedText: 'revision 2', changesMade: ['some'] });
    // draft, then judge and revise twice
    expect(model.requests()).toHaveLength(5);
    const users = model.requests().map((request) => String(request.messages.at(-1)?.content));
    expect(users[1]).toContain('Text: first');
    expect(users[2]).toMatch(/Original Text: first[\s\S]*Feedback: be short/);
    expect(users[3]).toContain('Text: revision 1');
    expect(model.requests()[2]).toMatchObject({ temperature: 0.5 });
  });

  it('stops at max_iterations, applies each step’s own defaults, and names what is missing', async () => {
    const program = await load(yaml);
    model.play(answers(99));
    await program.forward(model.service(), { topic: 't', purpose: 'p', brief: 'b' });
    expect(model.requests()).toHaveLength(7);
    expect(String(model.requests()[0]?.messages.at(-1)?.content)).toContain('Style: informative');
    await expect(program.forward(model.service(), { topic: 't' })).rejects.toThrow(
      'content-pipeline: missing required inputs: purpose, brief',
    );
  });

  it('ends on a value or a number, and takes input and output signatures', async () => {
    const chain = (until: string) => `
name: c
version: "1"
signatures:
  In: { inputs: [brief:str], outputs: [unused:str] }
  Out: { inputs: [unused:str], outputs: [score:float] }
  Judge: { inputs: [brief:str], outputs: [score:float, label:str] }
chains:
  C: { steps: [Judge], input_signature: In, output_signature: Out, max_iterations: 9, until: ${until} }
`;
    const reply = () => `Score: ${model.requests().length}\nLabel: l${model.requests().length}`;
    model.play(reply);
    const byNumber = await load(chain('{ field: score, at_least: 3 }'));
    expect(await byNumber.forward(model.service(), { brief: 'b' })).toEqual({ score: 3 });
    const before = model.requests().length;
    const byValue = await load(chain(`{ field: label, equals: l${before + 2} }`));
    expect(await byValue.forward(model.service(), { brief: 'b' })).toEqual({ score: before + 2 });
  });
});

describe('a bad config file', () => {
  it('gets one report with every problem, its line and its path', async () => {
    expect(
      await reportOf(`version: 1.5
autor: me
source: { type: local }
signatures:
  Draft:
    inputs:
      - topic:strr
      - { name: style, typ: str }
      - { name: size, type: int, default: big, options: [a] }
      - 'kind:class "a, b"'
    outputs: []
  Review:
    inputs: [draft_text:str]
    outputs: [notes:str]
    examples:
      - input: { draft_text: 3, other: x }
        output: {}
  Lib: { library: EmailDrft, inputs: [topic:str] }
chains:
  Work:
    steps: [Draft, Reviw, { signature: Review, inputs: { draft_txt: notes } }]
    max_iterations: 0
  Loop:
    steps: [Review]
    until: notes
    iterate_from: Nowhere
model_config:
  temperature: 3
  max_token: 5
  model_name: \${UNSET}
program: Nothing
`),
    ).toMatchInlineSnapshot(`
      [
        "line 1, name: is required and must be text",
        "line 1, version: must be text; put it in quotes",
        "line 2, autor: unknown setting. Did you mean author?",
        "line 7, signatures.Draft.inputs[0]: is not a field: Invalid Signature: Invalid type "strr"",
        "line 8, signatures.Draft.inputs[1].typ: unknown setting. Did you mean type?",
        "line 9, signatures.Draft.inputs[2].options: belong to the type class, not to int",
        "line 9, signatures.Draft.inputs[2]: the default must be a finite number",
        "line 10, signatures.Draft.inputs[3]: is not a field: Invalid Signature: Input field "kind" cannot use the "class" type",
        "line 11, signatures.Draft.outputs: must have at least 1",
        "line 16, signatures.Review.examples[0].input.draft_text: must be text",
        "line 16, signatures.Review.examples[0].input.other: is no input of the signature. Known: draftText",
        "line 17, signatures.Review.examples[0].output: has no outputs",
        "line 18, signatures.Lib.inputs: cannot be given beside library, which has its own",
        "line 18, signatures.Lib.library: no signature of the library has this name. Did you mean EmailDraft?",
        "line 21, chains.Work.steps[1]: no signature of the file or the library is named Reviw. Did you mean Review?",
        "line 21, chains.Work.steps[2].inputs.draft_txt: is no input of Review. Did you mean draftText?",
        "line 22, chains.Work.max_iterations: must be at least 1",
        "line 25, chains.Loop.until: needs max_iterations beside it",
        "line 25, chains.Loop.until: notes is string: say what it equals, or at_least",
        "line 26, chains.Loop.iterate_from: needs max_iterations beside it",
        "line 26, chains.Loop.iterate_from: is no step of the chain. Known: Review",
        "line 28, model_config.temperature: must be at most 2",
        "line 29, model_config.max_token: unknown setting. Did you mean max_tokens?",
        "line 30, model_config.model_name: the environment variable UNSET is not set",
        "line 31, program: is no signature or chain of the file. Known: Work, Loop, Draft, Review, Lib",
      ]
    `);
  });

  it('says which sources there are', async () => {
    expect(await reportOf('name: a\nversion: "1"\nsource: { type: floppy }')).toEqual([
      'line 3, source.type: must be one of local, huggingface, github',
    ]);
    const mixed = `
name: a
version: "1"
source: { type: github, repo: a/b, path: c.yaml }
signatures: { A: EmailDraft }
chains: { B: { steps: [A] } }
program: A
`;
    expect(await reportOf(mixed)).toEqual([
      'line 5, signatures: cannot stand beside a source',
      'line 6, chains: cannot stand beside a source',
      'line 7, program: cannot stand beside a source',
    ]);
    expect(await reportOf('name: a\nversion: "1"\nsource: { type: local, path: x.js }')).toEqual([
      'line 3, source.class_name: is required beside path',
    ]);
  });

  it('is refused when it is no YAML, no map, empty, or unfolds without end', async () => {
    expect(await reportOf('name: [')).toMatchInlineSnapshot(`
      [
        "line 1: not YAML or JSON: Flow sequence in block collection must be sufficiently indented and end with a ]",
      ]
    `);
    expect(await reportOf('')).toMatchInlineSnapshot(`
      [
        "must be a map of settings, with at least a name and a version",
      ]
    `);
    expect(await reportOf('name: !!python/object:os.system x')).toEqual([
      expect.stringContaining('line 1: not YAML or JSON: Unresolved tag'),
    ]);
    expect(await reportOf('- a')).toMatchInlineSnapshot(`
      [
        "line 1: must be a map of settings, with at least a name and a version",
      ]
    `);
    expect(await reportOf('name: a\nname: b')).toMatchInlineSnapshot(`
      [
        "line 1, version: is required and must be text",
        "line 1: describes no program: give signatures, chains or a source",
        "line 2, name: is given twice",
      ]
    `);
    expect(
      await reportOf(
        'name: a\nversion: "1"\nmodel_config: {max_tokens: 1, maxTokens: 2}\nsignatures: {S: EmailDraft}',
      ),
    ).toMatchInlineSnapshot(`
      [
        "line 3, model_config.maxTokens: is the same setting as max_tokens",
      ]
    `);
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((key, index) => {
        const last = 'abcdefg'[index];
        return `${key}: &${key} [${Array(10).fill(`*${last}`).join(',')}]`;
      }),
    ].join('\n');
    expect(await reportOf(bomb)).toContainEqual(
      expect.stringContaining('too large or nested too deeply'),
    );
    expect(await reportOf('a: &a [*a]')).toContainEqual(
      expect.stringContaining('nested too deeply'),
    );
  });

  it('names an alias that has no anchor before it, wherever it stands', async () => {
    const yaml = `
name: a
version: "1"
description: *later
author: &later me
signatures:
  Draft:
    instruction: *instr
    inputs: [topic:str, *field]
    outputs: [draft:str]
model_config: { temperature: *temp, max_tokens: 5 }
metrics: *metrics
`;
    expect(await reportOf(yaml)).toEqual(
      expect.arrayContaining([
        'line 4, description: no anchor is named later before *later',
        'line 8, signatures.Draft.instruction: no anchor is named instr before *instr',
        'line 9, signatures.Draft.inputs[1]: no anchor is named field before *field',
        'line 11, model_config.temperature: no anchor is named temp before *temp',
        'line 12, metrics: no anchor is named metrics before *metrics',
      ]),
    );
  });

  it('has no field whose bounds exclude each other', async () => {
    const withInput = (input: string) =>
      `name: a\nversion: "1"\nsignatures:\n  S: { inputs: [${input}], outputs: [draft:str] }`;
    expect(await reportOf(withInput('{ name: topic, type: int, min: 5, max: 1 }'))).toEqual([
      'line 4, signatures.S.inputs[0]: min 5 is above max 1',
    ]);
    expect(await reportOf(withInput('{ name: topic, min: 5, max: 1 }'))).toHaveLength(1);
    expect(await reportOf(withInput("'topic:number(min 5, max 1)'"))).toHaveLength(1);
    await load(withInput('{ name: topic, type: int, min: 1, max: 1 }'));
  });

  it('does not guess which of several the program is', async () => {
    const two = 'name: a\nversion: "1"\nsignatures: { A: EmailDraft, B: DraftText }';
    expect(await reportOf(two)).toMatchInlineSnapshot(`
      [
        "line 1, program: is required to say which of A, B the program is",
      ]
    `);
    const chosen = await load(`${two}\nprogram: B`);
    expect((chosen as AxGen).getSignature().getInputFields()[0]?.name).toBe('topic');
  });

  it('is recognised as the state of a Python program', async () => {
    const state = { predict: { demos: [] }, metadata: { dependency_versions: { dspy: '2.6' } } };
    expect(await reportOf(JSON.stringify(state))).toEqual([
      expect.stringContaining('saved state of a Python DSPy program'),
    ]);
  });

  it('shows no secret of the environment', async () => {
    const secret = 'hf_canary_secret';
    const bad = new DspyModelLoader({ root: folder.path, env: { TOKEN: secret } });
    const path = folder.write(
      'secret.yaml',
      'name: a\nversion: "1"\nsource: { type: $TOKEN, token: 1 }\nmodel_config: { temperature: $TOKEN }'.replaceAll(
        '$TOKEN',
        ENV_TOKEN,
      ),
    );
    const error: unknown = await bad.loadFromConfig(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect(JSON.stringify(error) + String(error)).not.toContain(secret);
  });
});
