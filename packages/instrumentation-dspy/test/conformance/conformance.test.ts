import { type Attributes, SpanKind } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type MockModel, startMockModel } from '../../../../test/support/mock-model.js';
import { scenarioReply } from '../../../../test/support/scenario-replies.js';
import { AX_MAJORS, type AxMajor, loadAx } from '../support/ax.js';
import { LocalMcp } from '../support/mcp.js';
import { openAI, type ServiceOptions } from '../support/service.js';
import { startTracing, type Tracing } from '../support/tracing.js';
import {
  ATTRIBUTES,
  type AttributeRule,
  EVENTS,
  PATTERNS,
  REQUIRED,
  SPAN_KINDS,
  SPAN_NAMES,
  type SpanKindName,
  type ValueType,
} from './conventions.js';

/** Notes what a span carries when it starts. */
class StartRecorder implements SpanProcessor {
  readonly attributes = new Map<string, Attributes>();

  onStart(span: Span): void {
    this.attributes.set(span.spanContext().spanId, { ...span.attributes });
  }

  onEnd(): void {}
  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
}

// biome-ignore lint/suspicious/noExplicitAny: the types of Ax differ from major to major
type Ax = any;

interface Scene {
  readonly ax: Ax;
  readonly major: AxMajor;
  readonly model: MockModel;
  service(options?: ServiceOptions): Ax;
}

const QUESTION = { questionText: 'why?' };
const EXAMPLES = [
  { questionText: 'one?', answerText: 'a' },
  { questionText: 'two?', answerText: 'b' },
];
const metric = ({
  prediction,
  example,
}: {
  prediction: { answerText: string };
  example: { answerText: string };
}): number => Number(prediction.answerText === example.answerText);
const generator = (ax: Ax, options: object = {}) =>
  new ax.AxGen('questionText:string -> answerText:string', options);
const lookup = {
  name: 'lookup',
  description: 'Looks a key up',
  parameters: {
    type: 'object',
    properties: { key: { type: 'string', description: 'the key' } },
    required: ['key'],
  },
  func: async ({ key }: { key: string }) => `value of ${key}`,
};

/** One run of everything that makes spans, so that each kind of span is there with each kind of content. */
const SCENARIOS: Readonly<Record<string, (scene: Scene) => Promise<unknown>>> = {
  async generator({ ax, service, model }) {
    model.play(['Answer Text: because']);
    await generator(ax).forward(service(), QUESTION, {
      sessionId: 'session-1',
      modelConfig: { temperature: 0.5, maxTokens: 100, topP: 0.9 },
    });
  },
  async 'streaming generator'({ ax, service, model }) {
    model.play(['Answer Text: because it is so']);
    for await (const _delta of generator(ax).streamingForward(
      service({ stream: true }),
      QUESTION,
    )) {
      // Read to its end.
    }
  },
  async 'generator with a tool'({ ax, service, model }) {
    model.play([
      { toolCalls: [{ name: 'lookup', arguments: { key: 'k' }, id: 'call_1' }] },
      'Answer Text: because',
    ]);
    await generator(ax, { functions: [lookup] }).forward(service(), QUESTION);
  },
  async 'corrected generator'({ ax, service, model }) {
    model.play(['Answer Text: bad', 'Answer Text: good']);
    const program = generator(ax);
    program.addAssert(
      (value: { answerText: string }) => value.answerText === 'good',
      'must be good',
    );
    await program.forward(service(), QUESTION);
  },
  async 'failing generator'({ ax, service, model }) {
    model.play([{ status: 400, message: 'no' }]);
    await generator(ax)
      .forward(service(), QUESTION)
      .catch(() => undefined);
  },
  async flow({ ax, service, model }) {
    model.play(scenarioReply);
    if (typeof ax.flow !== 'function') return;
    await ax
      .flow()
      .n('sum', 'docText:string -> summary:string')
      .e('sum', (state: { docText: string }) => ({ docText: state.docText }))
      .r((state: { sumResult: { summary: string } }) => ({ out: state.sumResult.summary }))
      .forward(service(), { docText: 'text' });
  },
  async agent({ ax, major, service, model }) {
    if (major >= 19) {
      model.play(scenarioReply);
      const agent = ax.agent('query:string -> answer:string', {
        contextFields: [],
        functions: [{ ...lookup, namespace: 'kb', returns: { type: 'string' } }],
        agentIdentity: {
          name: 'KB Agent',
          description: 'Answers questions from the knowledge base',
        },
      });
      await agent.forward(service(), { query: 'k1?' }).catch(() => undefined);
    } else if (major <= 16) {
      model.play(['Answer Text: because']);
      const agent = new ax.AxAgent({
        name: 'knowledgeAgent',
        description: 'Answers questions from the knowledge base',
        signature: 'questionText:string -> answerText:string',
      });
      await agent.forward(service(), QUESTION);
    }
  },
  async embedding({ service }) {
    await service().embed({ texts: ['hello', 'world'] });
  },
  async retrieval({ ax, service }) {
    const adapter = new ax.AxEmbeddingAdapter({
      ai: service(),
      info: { name: 'searchDocs', description: 'searches', argumentDescription: 'what for' },
      func: async () => [{ id: 'd1', text: 'first', score: 0.5, metadata: { page: 1 } }],
    });
    await adapter.toFunction().func({ text: 'needle' });
  },
  async router({ ax, service, model }) {
    model.play(['Answer Text: because']);
    const balancer =
      typeof ax.AxBalancer.create === 'function'
        ? ax.AxBalancer.create([service()], { debug: false })
        : new ax.AxBalancer([service()], { debug: false });
    await balancer.chat({ chatPrompt: [{ role: 'user', content: 'hello' }] }, { stream: false });
  },
  async 'best of n'({ ax, service, model }) {
    model.play(['Answer Text: because']);
    if (typeof ax.bestOfN !== 'function') return;
    await ax
      .bestOfN(generator(ax), { n: 2, strategy: 'serial', rewardFn: () => 0.5 })
      .forward(service(), QUESTION);
  },
  async evaluation({ ax, service, model }) {
    model.play(['Answer Text: a']);
    await new ax.AxTestPrompt({ ai: service(), program: generator(ax), examples: EXAMPLES }).run(
      metric,
    );
  },
  async compile({ ax, major, service, model }) {
    model.play(['Answer Text: a']);
    const optimizer = new ax.AxBootstrapFewShot({
      studentAI: service(),
      examples: EXAMPLES,
      options: { maxRounds: 1 },
    });
    await (major === 12
      ? optimizer.compile(generator(ax), metric)
      : optimizer.compile(generator(ax), EXAMPLES, metric));
  },
  async 'compile of several objectives'({ ax, service, model }) {
    model.play(['Answer Text: a']);
    if (ax.AxGEPA === undefined) return;
    const optimizer = new ax.AxGEPA({
      studentAI: service(),
      teacherAI: service(),
      numTrials: 1,
      minibatch: true,
      minibatchSize: 1,
    });
    const objectives = (given: Parameters<typeof metric>[0]) => ({
      exact: metric(given),
      brief: 1,
    });
    await optimizer.compile(generator(ax), EXAMPLES, objectives, {
      maxMetricCalls: 6,
      validationExamples: EXAMPLES,
    });
  },
  async mcp({ ax }) {
    const client = new ax.AxMCPClient(new LocalMcp(), {});
    await client.init();
    await client.sendRequest('tools/call', { name: 'add', arguments: { a: 1, b: 2 } });
    await client.sendRequest('tools/call', { name: 'break', arguments: {} });
    await client.sendRequest('resources/read', { uri: 'file:///a.txt' });
    await client.sendRequest('prompts/get', { name: 'greet' });
  },
  async speech({ ax }) {
    const mock = new ax.AxMockAIService({ name: 'mock' });
    if (typeof mock.speak !== 'function') return;
    await mock.speak({ text: 'hello', model: 'tts-1' });
    await mock.transcribe({ audio: { data: 'aGVs', format: 'wav' }, model: 'whisper-1' });
  },
};

function ruleFor(name: string): AttributeRule | undefined {
  return Object.hasOwn(ATTRIBUTES, name)
    ? ATTRIBUTES[name]
    : PATTERNS.find(([pattern]) => pattern.test(name))?.[1];
}

function isOfType(value: unknown, type: ValueType): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
    case 'int':
      return Number.isSafeInteger(value) && (value as number) >= 0;
    case 'double':
      return typeof value === 'number' && Number.isFinite(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'string[]':
      return (
        Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')
      );
    case 'json':
      return typeof value === 'string' && isJson(value);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isAllowed(value: unknown, values: AttributeRule['values']): boolean {
  if (values === undefined) return true;
  return [value]
    .flat()
    .every((one) =>
      values instanceof RegExp ? values.test(String(one)) : values.includes(String(one)),
    );
}

/** Everything that is wrong with a set of attributes. */
function faultsOf(
  attributes: Attributes,
  rules: (name: string) => AttributeRule | undefined,
  kind?: SpanKindName,
): string[] {
  const faults: string[] = [];
  for (const [name, value] of Object.entries(attributes)) {
    const rule = rules(name);
    if (rule === undefined) faults.push(`${name} is in no convention`);
    else if (!isOfType(value, rule.type))
      faults.push(`${name} is no ${rule.type}: ${JSON.stringify(value)}`);
    else if (!isAllowed(value, rule.values))
      faults.push(`${name} must not be ${JSON.stringify(value)}`);
    else if (kind !== undefined && rule.on !== undefined && !rule.on.includes(kind))
      faults.push(`${name} is not for ${kind}`);
    if (value === '' && !/\.value$|content$|\.text$|description$|message$/.test(name))
      faults.push(`${name} is empty`);
  }
  return faults;
}

/** What a part of a message must have beside its type: `gen-ai-input-messages.json`. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  text: ['content'],
  reasoning: ['content'],
  tool_call: ['name'],
  tool_call_response: ['response'],
  blob: ['modality', 'content'],
  uri: ['modality', 'uri'],
};

function messageFaults(json: unknown): string[] {
  if (json === undefined) return [];
  const messages = JSON.parse(String(json)) as {
    role?: unknown;
    parts?: Record<string, unknown>[];
  }[];
  return messages.flatMap(({ role, parts = [] }) => [
    ...(isAllowed(role, ['system', 'user', 'assistant', 'tool']) ? [] : [`${role} is no role`]),
    ...(parts.length > 0 ? [] : ['a message has no parts']),
    ...parts.flatMap((part) => {
      const required = PARTS[String(part.type)];
      if (required === undefined) return [`${part.type} is no part`];
      return required
        .filter((name) => part[name] === undefined)
        .map((name) => `${part.type} has no ${name}`);
    }),
  ]);
}

function checkSpan(span: ReadableSpan, atStart: Attributes | undefined): string[] {
  const { attributes } = span;
  const kind = attributes['openinference.span.kind'] as SpanKindName;
  const faults = faultsOf(attributes, ruleFor, kind);
  for (const name of [...REQUIRED.any, ...(REQUIRED[kind] ?? [])]) {
    if (attributes[name] === undefined) faults.push(`${name} is missing`);
  }
  for (const name of Object.keys(attributes)) {
    if (
      ruleFor(name)?.start &&
      atStart?.[name] !== attributes[name] &&
      JSON.stringify(atStart?.[name]) !== JSON.stringify(attributes[name])
    )
      faults.push(`${name} was not there at the start`);
  }
  faults.push(
    ...messageFaults(attributes['gen_ai.input.messages']),
    ...messageFaults(attributes['gen_ai.output.messages']),
  );
  const operation = String(attributes['gen_ai.operation.name']);
  if (!SPAN_NAMES[operation]?.test(span.name))
    faults.push(`${span.name} is no name for ${operation}`);
  const isClient =
    kind === 'LLM' ||
    kind === 'EMBEDDING' ||
    (attributes['mcp.method.name'] !== undefined && attributes['dspy.module.type'] === 'mcp');
  if (isClient && span.kind !== SpanKind.CLIENT) faults.push('is no CLIENT span');
  if (span.droppedAttributesCount > 0)
    faults.push(`${span.droppedAttributesCount} attributes were dropped`);
  for (const event of span.events) {
    const rules = EVENTS[event.name];
    if (rules === undefined) faults.push(`${event.name} is no event`);
    else
      faults.push(
        ...faultsOf(event.attributes ?? {}, (name) => rules[name]).map(
          (fault) => `${event.name}: ${fault}`,
        ),
      );
  }
  for (const half of ['input', 'output']) {
    if (
      (attributes[`${half}.value`] === undefined) !==
      (attributes[`${half}.mime_type`] === undefined)
    )
      faults.push(`${half}.value and its type are not together`);
    if (
      attributes[`${half}.mime_type`] === 'application/json' &&
      !isJson(String(attributes[`${half}.value`]))
    )
      faults.push(`${half}.value is no JSON`);
  }
  return faults.map((fault) => `${span.name}: ${fault}`);
}

describe.each(AX_MAJORS)('conventions, Ax %i', (major) => {
  const starts = new StartRecorder();
  let scene: Scene;
  let tracing: Tracing;
  const seen = new Set<string>();

  beforeAll(async () => {
    for (const method of ['log', 'warn'] as const)
      vi.spyOn(console, method).mockImplementation(() => {});
    vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
    const ax = await loadAx(major);
    const model = await startMockModel();
    tracing = startTracing(
      [ax],
      { recordOptimizerCalls: true, customTags: { team: 'a' } },
      { spanProcessors: [starts] },
    );
    scene = { ax, major, model, service: (options) => openAI(ax, model.apiURL, options) };
  });
  afterAll(async () => {
    await tracing.stop();
    await scene.model.stop();
    vi.restoreAllMocks();
  });

  it.each(Object.keys(SCENARIOS))('%s', async (name) => {
    tracing.reset();
    await SCENARIOS[name]?.(scene);
    const spans = tracing.spans();
    for (const { attributes } of spans) seen.add(String(attributes['openinference.span.kind']));
    expect(
      spans.flatMap((span) => checkSpan(span, starts.attributes.get(span.spanContext().spanId))),
    ).toEqual([]);
  });

  it('was checked on every kind of span', () => {
    expect([...seen].toSorted()).toEqual(SPAN_KINDS.toSorted());
  });

  it('keeps usage and output under the default limit of attributes, whatever the history', async () => {
    tracing.reset();
    scene.model.play(['Answer Text: because']);
    const history = Array.from({ length: 80 }, (_, index) => ({
      role: index % 2 ? 'assistant' : 'user',
      content: `message ${index}`,
    }));
    const functions = Array.from({ length: 40 }, (_, index) => ({
      ...lookup,
      name: `lookup${index}`,
    }));
    await scene
      .service()
      .chat(
        { chatPrompt: [...history, { role: 'user', content: 'why?' }], functions },
        { stream: false },
      );
    const span = tracing.span(/^chat/);
    expect(span.droppedAttributesCount).toBe(0);
    expect(Object.keys(span.attributes).length).toBeLessThanOrEqual(128);
    expect(span.attributes).toMatchObject({
      'gen_ai.usage.input_tokens': 11,
      'gen_ai.usage.output_tokens': 7,
      'output.value': expect.stringContaining('because'),
    });
    expect(JSON.parse(String(span.attributes['gen_ai.input.messages']))).toHaveLength(81);
    expect(checkSpan(span, starts.attributes.get(span.spanContext().spanId))).toEqual([]);
  });
});
