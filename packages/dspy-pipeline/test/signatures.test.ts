import { type AxGen, ax, axGlobals, f } from '@ax-llm/ax';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  createProgram,
  defineSignature,
  type JsonObject,
  type LibraryName,
  ProgramInputError,
  signatureRegistry,
  signatures,
} from '../src/index.js';
import { useModel } from './support/model.js';

const model = useModel();

type In<N extends LibraryName> =
  ReturnType<typeof createProgram<N>> extends AxGen<infer IN, infer _> ? IN : never;

interface Case<N extends LibraryName = LibraryName> {
  inputs: In<N>;
  answer: string;
  outputs: Record<string, unknown>;
  /** What the signature's defaults put into the prompt. */
  defaults: string[];
}

const cases: { [N in LibraryName]: Case<N> } = {
  DraftText: {
    inputs: { topic: 'AI safety', purpose: 'a blog post' },
    answer: 'Draft: Once upon a time.\nOutline: one, two',
    outputs: { draft: 'Once upon a time.', outline: 'one, two' },
    defaults: ['Style: informative', 'Audience: general'],
  },
  ReviseText: {
    inputs: { originalText: 'Old.', feedback: 'be new' },
    answer: 'Revised Text: New.\nChanges Made: ["word"]',
    outputs: { revisedText: 'New.', changesMade: ['word'] },
    defaults: ['Preserve Style: true'],
  },
  ExpandText: {
    inputs: { text: 'Short.', expansionPoints: ['why'] },
    answer: 'Expanded Text: Longer.\nAdditions Summary: ["reasons"]',
    outputs: { expandedText: 'Longer.', additionsSummary: ['reasons'] },
    defaults: ['Expansion Type: all'],
  },
  RefineText: {
    inputs: { text: 'Rough.', refinementCriteria: ['clarity'] },
    answer: 'Refined Text: Smooth.\nRefinement Summary: smoothed',
    outputs: { refinedText: 'Smooth.', refinementSummary: 'smoothed' },
    defaults: ['Maintain Length: false', 'Formality Level: neutral'],
  },
  CritiqueText: {
    inputs: { text: 'A text.', criteria: ['clarity', 'length'] },
    answer:
      'Critique: fine\nStrengths: ["short"]\nWeaknesses: ["too short"]\nSuggestions: ["more"]\nOverall Rating: 7/10',
    outputs: {
      critique: 'fine',
      strengths: ['short'],
      weaknesses: ['too short'],
      suggestions: ['more'],
      overallRating: '7/10',
    },
    defaults: ['Perspective: objective reviewer', 'Severity: balanced'],
  },
  SummarizeText: {
    inputs: { text: 'Much text.' },
    answer: 'Summary: Text.\nKey Points: ["text"]',
    outputs: { summary: 'Text.', keyPoints: ['text'] },
    defaults: ['Max Length: 100', 'Style: paragraph', 'Preserve Tone: true'],
  },
  ExtractInfo: {
    inputs: { text: 'Ann, 42', infoTypes: ['name', 'age'] },
    answer: 'Extracted Info: {"name":"Ann","age":42}\nConfidence Scores: {"name":0.9}',
    outputs: { extractedInfo: { name: 'Ann', age: 42 }, confidenceScores: { name: 0.9 } },
    defaults: ['Format: structured', 'Context Window: false'],
  },
  ClassifyText: {
    inputs: { text: 'Great!', categories: ['positive', 'negative'] },
    answer: 'Classification: positive\nConfidence: {"positive":0.9}\nReasoning: praise',
    outputs: { classification: ['positive'], confidence: { positive: 0.9 }, reasoning: 'praise' },
    defaults: ['Multi Label: false', 'Include Confidence: true', 'Threshold: 0.5'],
  },
  RespondToUser: {
    inputs: { userMessage: 'hello', conversationHistory: [{ role: 'user', content: 'hi' }] },
    answer: 'Response: Hello.\nFollow Up Needed: true',
    outputs: { response: 'Hello.', followUpNeeded: true },
    defaults: ['Persona: helpful assistant', 'Tone: friendly', 'Context: {}'],
  },
  ClarifyIntent: {
    inputs: { userMessage: 'book it', possibleIntents: ['hotel', 'flight'] },
    answer: 'Clarification Question: Which?\nIntent Hypothesis: hotel',
    outputs: { clarificationQuestion: 'Which?', intentHypothesis: 'hotel' },
    defaults: ['Max Options: 3', 'Context: {}'],
  },
  GenerateFollowUp: {
    inputs: { conversation: { last: 'hi' }, topic: 'weather' },
    answer: 'Follow Up Questions: ["Rain?"]\nRationale: to know',
    outputs: { followUpQuestions: ['Rain?'], rationale: 'to know' },
    defaults: ['Goal: deepen', 'Num Questions: 3'],
  },
  ResolveQuery: {
    inputs: { query: 'why?' },
    answer: 'Answer: because\nConfidence: 0.8',
    outputs: { answer: 'because', confidence: 0.8 },
    defaults: ['Answer Format: detailed', 'Knowledge Base: {}', 'Constraints: {}'],
  },
  EmailDraft: {
    inputs: { recipient: 'Ann', subject: 'Lunch', purpose: 'invite', keyPoints: ['noon'] },
    answer: 'Email Body: Dear Ann\nSuggested Subject: Lunch?\nCall To Action: reply',
    outputs: { emailBody: 'Dear Ann', suggestedSubject: 'Lunch?', callToAction: 'reply' },
    defaults: ['Tone: professional'],
  },
  CodeGeneration: {
    inputs: { description: 'add', language: 'TypeScript' },
    answer: 'Code: ```ts\nconst add = 1;\n```\nExplanation: adds',
    outputs: { code: 'const add = 1;', explanation: 'adds' },
    defaults: ['Style Guide: standard', 'Include Tests: false'],
  },
  DataAnalysis: {
    inputs: { dataDescription: 'sales', analysisGoals: ['trend'] },
    answer: 'Analysis: up\nInsights: ["growth"]\nRecommendations: ["sell"]',
    outputs: { analysis: 'up', insights: ['growth'], recommendations: ['sell'] },
    defaults: ['Audience: business stakeholders', 'Constraints: {}'],
  },
  ReportGeneration: {
    inputs: { data: { q1: 1 }, reportType: 'quarterly', sections: ['intro'] },
    answer: 'Report: All well.\nExecutive Summary: well',
    outputs: { report: 'All well.', executiveSummary: 'well' },
    defaults: ['Audience: general', 'Format: mixed'],
  },
};

describe('the signature library', () => {
  it.each(Object.entries(cases))('%s runs over HTTP with its defaults', async (name, example) => {
    model.play([example.answer]);
    const program = createProgram(name);
    expect(await program.forward(model.service(), example.inputs)).toEqual(example.outputs);
    expect(model.requests()).toHaveLength(1);
    for (const line of example.defaults) expect(model.prompt()).toContain(line);
  });

  it.each(Object.entries(cases))('%s streams', async (name, example) => {
    model.play([example.answer]);
    const outputs: Record<string, unknown> = {};
    for await (const { delta } of createProgram(name).streamingForward(
      model.service(),
      example.inputs,
    )) {
      for (const [key, value] of Object.entries(delta)) {
        outputs[key] = typeof value === 'string' ? `${outputs[key] ?? ''}${value}` : value;
      }
    }
    expect(Object.keys(outputs).sort()).toEqual(Object.keys(example.outputs).sort());
    for (const line of example.defaults) expect(model.prompt()).toContain(line);
  });

  it('holds the sixteen of the platform, four of them in two categories and four in two', () => {
    const count = (category: string) => signatureRegistry.search({ category }).length;
    expect(signatureRegistry.names()).toHaveLength(16);
    expect(['text_generation', 'analysis', 'conversation', 'task_specific'].map(count)).toEqual([
      4, 4, 4, 4,
    ]);
  });

  it('keeps the caller’s values before the defaults, and fills null', async () => {
    model.play(['Draft: d']);
    const inputs = {
      topic: 't',
      purpose: 'p',
      style: 'terse',
      audience: null as unknown as string,
    };
    await createProgram('DraftText').forward(model.service(), inputs);
    expect(model.prompt()).toContain('Style: terse');
    expect(model.prompt()).toContain('Audience: general');
    expect(inputs).toEqual({ topic: 't', purpose: 'p', style: 'terse', audience: null });
  });

  it('refuses inputs that break a constraint before a model is called', async () => {
    const program = createProgram('ClassifyText');
    const call = program.forward(model.service(), { text: '', categories: ['a'], threshold: 2 });
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ProgramInputError);
    expect(error).toMatchObject({
      message: 'ClassifyText: missing required input: text; threshold must be at most 1',
      missing: ['text'],
      invalid: [{ field: 'threshold', reason: 'at most 1' }],
    });
    const stream = program.streamingForward(model.service(), { text: '', categories: ['a'] });
    await expect(stream.next()).rejects.toThrow('missing required input: text');
    expect(model.requests()).toHaveLength(0);
  });

  it('has the model mend outputs that break a constraint or name no given class', async () => {
    model.play(['Answer: because\nConfidence: 7', 'Answer: because\nConfidence: 0.7']);
    const resolved = await createProgram('ResolveQuery').forward(model.service(), {
      query: 'why?',
    });
    expect(resolved.confidence).toBe(0.7);

    const label = (value: string) => `Classification: ${value}\nConfidence: {}\nReasoning: r`;
    const inputs = { text: 't', categories: ['a', 'b'] };
    model.play([label('c'), label('["a","b"]'), label('a')]);
    const classified = await createProgram('ClassifyText').forward(model.service(), inputs);
    expect(classified.classification).toEqual(['a']);
    expect(model.prompt(-2)).toContain('chosen from: a, b');
    expect(model.prompt(-1)).toContain('exactly one of: a, b');

    model.play([label('["a","b"]')]);
    const many = await createProgram('ClassifyText').forward(model.service(), {
      ...inputs,
      multiLabel: true,
    });
    expect(many.classification).toEqual(['a', 'b']);
  });

  it('checks streamed outputs against the inputs of their own call', async () => {
    const label = (value: string) => `Classification: ${value}\nConfidence: {}\nReasoning: r`;
    model.play([label('c'), label('a')]);
    const stream = createProgram('ClassifyText').streamingForward(model.service(), {
      text: 't',
      categories: ['a'],
    });
    let last: unknown;
    for await (const { delta } of stream) last = delta.classification ?? last;
    expect(last).toEqual(['a']);
    expect(model.requests()).toHaveLength(2);
  });

  it('works as plain Ax signatures too', async () => {
    model.play(['Summary: s\nKey Points: ["k"]']);
    const result = await ax(signatures.SummarizeText).forward(model.service(), { text: 'long' });
    expect(result.summary).toBe('s');
  });

  it('leaves Ax as strict about names as it found it, and lets optimizers rewrite descriptions', () => {
    expect(axGlobals.signatureStrict).toBe(true);
    expect(() => ax('text:string -> answer:string')).toThrow('too generic');
    const program = createProgram('SummarizeText');
    program.applyOptimizedComponents({ [`${program.getId()}::description`]: 'Sum it up.' });
    expect(program.getSignature().getDescription()).toBe('Sum it up.');
    expect(signatures.SummarizeText.getDescription()).toContain('Summarize a text');
  });

  it('knows its types at compile time', () => {
    const { EmailDraft, ExtractInfo, ClassifyText, RespondToUser, CodeGeneration } = signatures;
    const email = createProgram(EmailDraft);
    expectTypeOf<Parameters<typeof email.forward>[1]>().toEqualTypeOf<{
      recipient: string;
      subject: string;
      purpose: string;
      keyPoints: string[];
      tone?: string;
      senderName?: string;
      attachmentsMentioned?: string[];
    }>();
    expectTypeOf<Awaited<ReturnType<typeof email.forward>>>().toEqualTypeOf<{
      emailBody: string;
      suggestedSubject?: string;
      callToAction?: string;
    }>();
    expectTypeOf(createProgram(ExtractInfo).forward).returns.resolves.toEqualTypeOf<{
      extractedInfo: JsonObject;
      confidenceScores?: JsonObject;
      extractionCount?: JsonObject;
    }>();
    expectTypeOf(createProgram('ExtractInfo')).toEqualTypeOf(createProgram(ExtractInfo));
    expectTypeOf(createProgram(ClassifyText).forward)
      .returns.resolves.toHaveProperty('classification')
      .toEqualTypeOf<string[]>();
    expectTypeOf(createProgram(CodeGeneration).forward)
      .returns.resolves.toHaveProperty('code')
      .toEqualTypeOf<string>();
    expectTypeOf(createProgram(RespondToUser).forward)
      .parameter(1)
      .toHaveProperty('conversationHistory')
      .toEqualTypeOf<(JsonObject | string)[] | undefined>();

    const compileOnly = () => {
      // @ts-expect-error keyPoints is required
      void email.forward(model.service(), { recipient: 'a', subject: 's', purpose: 'p' });
      const inputs = { recipient: 'a', subject: 's', purpose: 'p', keyPoints: ['k'] };
      // @ts-expect-error tone is text
      void email.forward(model.service(), { ...inputs, tone: 1 });
      const fields = f()
        .input('topic', f.string())
        .input('style', f.string().optional())
        .output('draft', f.string());
      const rest = { name: 'X', category: 'x', description: '', fields };
      defineSignature({ ...rest, defaults: { style: 'a' } });
      // @ts-expect-error only optional inputs have defaults
      defineSignature({ ...rest, defaults: { topic: 'a' } });
    };
    expect(compileOnly).toBeTypeOf('function');
  });
});
