import { readArray, readProperty, readText } from './read.js';

/** What is read of an Ax response. */
export interface ChatResponse {
  results: readonly ChatResult[];
  remoteId?: string;
  remoteRequestId?: string;
  remoteSessionId?: string;
  sessionId?: string;
  modelUsage?: ModelUsage;
}

/** Ax's usage of one call. */
export interface ModelUsage {
  ai?: unknown;
  model?: unknown;
  citations?: unknown;
  tokens?: Record<string, unknown>;
}

/** One choice of a response. */
export interface ChatResult {
  index: number;
  id?: string;
  content?: string;
  thought?: string;
  functionCalls?: ToolCall[];
  citations?: unknown[];
  images?: readonly unknown[];
  audio?: unknown;
  finishReason?: string;
}

interface ToolCall {
  id?: string;
  type: 'function';
  function: { name: string; params?: unknown };
}

export interface StreamAssembler {
  /** Takes one chunk of an Ax stream. Cheap: reads what it needs and keeps no chunk. Never throws. */
  push(chunk: unknown): void;
  /** `true` once a chunk carried text, a thought, a tool call or media. */
  readonly started: boolean;
  /** The response as far as it came. */
  response(): ChatResponse;
}

const RESPONSE_IDS = ['remoteId', 'remoteRequestId', 'remoteSessionId', 'sessionId'] as const;
const MAX_CHOICES = 128;
const MAX_CALLS = 1000;
const MAX_CITATIONS = 1000;

/**
 * Puts the deltas of a streamed Ax response together: text and thoughts by choice, tool calls by id, the latest usage.
 *
 * @param maxChars UTF-16 units of text kept of one choice (what nobody will record need not be held). Default 1048576; at least
 *   one, so that an answer is known from none.
 */
export function createStreamAssembler(maxChars = 1_048_576): StreamAssembler {
  return new Assembler(Math.max(1, maxChars));
}

class Assembler implements StreamAssembler {
  started = false;
  private readonly choices = new Map<number, ChatResult>();
  private readonly ids: Partial<Record<(typeof RESPONSE_IDS)[number], string>> = {};
  private usage: ModelUsage | undefined;

  constructor(private readonly maxChars: number) {}

  push(chunk: unknown): void {
    for (const name of RESPONSE_IDS) {
      const id = readText(chunk, name);
      if (id !== undefined && id !== '') this.ids[name] = id;
    }
    const usage = readProperty(chunk, 'modelUsage');
    if (usage !== undefined && usage !== null) this.usage = mergeUsage(this.usage, usage);
    const results = readArray(readProperty(chunk, 'results'));
    for (let position = 0; position < results.length && position < MAX_CHOICES; position++) {
      this.add(results[position], position);
    }
  }

  response(): ChatResponse {
    const response: ChatResponse = {
      ...this.ids,
      results: [...this.choices.values()].sort((a, b) => a.index - b.index),
    };
    if (this.usage !== undefined) response.modelUsage = this.usage;
    return response;
  }

  private add(result: unknown, position: number): void {
    const index = readProperty(result, 'index');
    const choice = this.choice(typeof index === 'number' ? index : position);
    const content = readText(result, 'content');
    if (content) choice.content = this.append(choice.content, content);
    const thought = readText(result, 'thought');
    if (thought) choice.thought = this.append(choice.thought, thought);
    const finishReason = readText(result, 'finishReason');
    if (finishReason !== undefined) choice.finishReason = finishReason;
    const id = readText(result, 'id');
    if (id) choice.id = id;
    this.addCalls(choice, readArray(readProperty(result, 'functionCalls')));
    this.addCitations(choice, readArray(readProperty(result, 'citations')));
    const images = readArray(readProperty(result, 'images'));
    if (images.length > 0) choice.images = images;
    const audio = readProperty(result, 'audio');
    if (audio !== undefined && audio !== null) choice.audio = audio;
    if (content || thought || images.length > 0 || audio || choice.functionCalls !== undefined) {
      this.started = true;
    }
  }

  private choice(index: number): ChatResult {
    let choice = this.choices.get(index);
    if (choice === undefined) {
      choice = { index };
      if (this.choices.size < MAX_CHOICES) this.choices.set(index, choice);
    }
    return choice;
  }

  private append(text: string | undefined, delta: string): string {
    if (text === undefined)
      return delta.length > this.maxChars ? delta.slice(0, this.maxChars) : delta;
    return text.length >= this.maxChars ? text : text + delta;
  }

  private addCalls(choice: ChatResult, deltas: readonly unknown[]): void {
    for (const delta of deltas) {
      const id = readText(delta, 'id');
      const called = readProperty(delta, 'function');
      const name = readText(called, 'name') ?? '';
      const params = readProperty(called, 'params');
      choice.functionCalls ??= [];
      const calls = choice.functionCalls;
      const known = calls.find((call) => call.id === id);
      if (known !== undefined) {
        known.function.name += name;
        known.function.params = this.mergeParams(known.function.params, params);
      } else if (calls.length < MAX_CALLS) {
        // A copy: Ax appends to the objects of its own chunks.
        const call: ToolCall = { type: 'function', function: { name, params } };
        if (id !== undefined) call.id = id;
        calls.push(call);
      }
    }
  }

  private mergeParams(known: unknown, delta: unknown): unknown {
    if (typeof delta === 'string') {
      return typeof known === 'string' ? this.append(known, delta) : (known ?? delta);
    }
    return delta ?? known;
  }

  private addCitations(choice: ChatResult, citations: readonly unknown[]): void {
    for (const citation of citations) {
      choice.citations ??= [];
      const url = readText(citation, 'url');
      const isKnown =
        url !== undefined && choice.citations.some((known) => readText(known, 'url') === url);
      if (!isKnown && choice.citations.length < MAX_CITATIONS) choice.citations.push(citation);
    }
  }
}

/**
 * Usage in a stream is cumulative, so the last chunk has it all. But some chunks write 0 for what they do not say
 * (Anthropic's last chunk up to Ax 12 has no input tokens), and such a 0 must not wipe out what was told before.
 */
function mergeUsage(known: ModelUsage | undefined, usage: unknown): ModelUsage {
  const { ai, model, citations, tokens } = usage as ModelUsage;
  const merged: Record<string, unknown> = { ...known?.tokens };
  if (tokens !== null && typeof tokens === 'object') {
    for (const [name, count] of Object.entries(tokens)) {
      if (count || merged[name] === undefined) merged[name] = count;
    }
  }
  return { ai: ai ?? known?.ai, model: model ?? known?.model, citations, tokens: merged };
}
