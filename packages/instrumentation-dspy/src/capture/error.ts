import { types } from 'node:util';
import { diagnostics } from '../diagnostics.js';
import { redactCredentials, redactOpaque } from './credentials.js';
import type { KeyPredicate } from './key-matcher.js';
import { readArray, readProperty, readText } from './read.js';
import type { TextRedactor } from './scrub.js';
import { toJson } from './serialize.js';
import { framesOf } from './stack.js';
import { boundedText } from './text.js';
import { redactCutUrls } from './urls.js';

export interface DescribeErrorOptions {
  /** `false`: neither message nor stack may hold program content. Default `true`. */
  content?: boolean;
  /** Applied to message and stack. */
  redactText?: TextRedactor | undefined;
  /** Names whose values are replaced in message and stack. Default the built-in credential names. */
  isSensitiveKey?: KeyPredicate | undefined;
  /** Byte budget (UTF-8) of the stack; the message has a quarter of it. Default 16384. */
  maxBytes?: number;
}

export interface ErrorDescription {
  /** Class name (Ax's `.name`, never a minified one), or the type of a thrown value that is no Error: `exception.type`. */
  type: string;
  /** `error.type`: the provider's or the system's code or the HTTP status where there is one, else `type`. */
  code: string;
  message: string;
  /** Stack with the chain of causes and the members of AggregateErrors; absent when there is none. */
  stack?: string;
  /** HTTP status that the provider answered. */
  status?: number;
  /** The provider's id of the request. */
  requestId?: string;
}

const DEFAULT_MAX_BYTES = 16_384;
const MAX_CAUSES = 8;
const MAX_MEMBERS = 10;
const MAX_CHARS = 65_536;
/** A name, and not a text that somebody put there. */
const NAME = /^[\w$.: -]{1,80}$/;
/** The same where no content may be recorded: one word. */
const WORD_NAME = /^[\w$.]{1,80}$/;
const MAX_RESPONSE_BYTES = 2048;

/** What was thrown, whatever it is. Never throws. */
export function describeError(
  error: unknown,
  options: DescribeErrorOptions = {},
): ErrorDescription {
  try {
    return describe(error, options);
  } catch (fault) {
    diagnostics.fault('describeError', fault);
    // A redactor that throws: nothing of the text may be recorded.
    return { type: 'Error', code: 'Error', message: '[unreadable error]' };
  }
}

function describe(error: unknown, options: DescribeErrorOptions): ErrorDescription {
  const { content = true, redactText, isSensitiveKey, maxBytes = DEFAULT_MAX_BYTES } = options;
  const clean = (text: string, bytes: number): string => {
    const head = text.length > MAX_CHARS ? redactCutUrls(text.slice(0, MAX_CHARS)) : text;
    const safe = redactCredentials(head, isSensitiveKey);
    return boundedText(redactText === undefined ? safe : redactText(safe), bytes).text;
  };
  const type = typeName(error, content);
  const status = findInChain(error, statusOf);
  const code = codeOf(error) ?? statusCode(error) ?? type;
  const description: ErrorDescription = {
    type,
    code,
    message: content
      ? clean(fullMessage(error, isSensitiveKey), maxBytes >> 2)
      : plainMessage(type, code),
  };
  const stack = new StackText(content, isSensitiveKey).add(error);
  if (stack !== undefined) description.stack = clean(stack, maxBytes);
  if (status !== undefined) description.status = status;
  const requestId = findInChain(error, requestIdOf);
  if (requestId !== undefined) description.requestId = requestId;
  return description;
}

/** Says what failed without a word of the program's content. */
function plainMessage(type: string, code: string): string {
  return code === type ? type : `${type} (${code})`;
}

function isErrorLike(error: unknown): error is object {
  return (
    types.isNativeError(error) ||
    (readText(error, 'message') !== undefined && readText(error, 'name') !== undefined)
  );
}

function typeName(error: unknown, content = true): string {
  if (error === null) return 'null';
  if (typeof error !== 'object') return typeof error;
  const name = readText(error, 'name');
  if (isErrorLike(error)) {
    const form = content ? NAME : WORD_NAME;
    if (name !== undefined && name !== 'Error' && form.test(name)) return name;
    return constructorName(error) ?? 'Error';
  }
  return constructorName(error) ?? 'object';
}

/** The class's name, unless a minifier made it: `r`, `ii`, `Pb`. */
function constructorName(value: object): string | undefined {
  const name = readProperty(value, 'constructor');
  const text =
    typeof name === 'function' ? Object.getOwnPropertyDescriptor(name, 'name')?.value : undefined;
  return typeof text === 'string' && text.length > 3 && NAME.test(text) ? text : undefined;
}

/** A service did not take its caller's key. */
function isRefusal(error: unknown): true | undefined {
  const status = statusOf(error);
  const refused =
    status === 401 || status === 403 || typeName(error).endsWith('AuthenticationError');
  return refused || undefined;
}

/** What an error says itself. Services that refuse a key are known to repeat it. */
function wordsOf(error: unknown, words: string): string {
  return findInChain(error, isRefusal) ? redactOpaque(words) : words;
}

/** With the provider's own words, which Ax leaves in the body: `HTTP 404 - Not Found: The model does not exist`. */
function fullMessage(error: unknown, isSensitiveKey: KeyPredicate | undefined): string {
  const message = messageOf(error, isSensitiveKey);
  const reason = findInChain(error, (cause) => readText(providerError(cause), 'message'));
  const words =
    reason === undefined || message.includes(reason) ? message : `${message}: ${reason}`;
  return wordsOf(error, words);
}

function messageOf(error: unknown, isSensitiveKey: KeyPredicate | undefined): string {
  if (typeof error === 'string') return error;
  const message = readText(error, 'message');
  if (message !== undefined && message !== '') return message;
  const fields = fieldMessages(error);
  if (fields !== undefined) return fields;
  if (isErrorLike(error)) return typeName(error);
  return toJson(error, { maxBytes: 1024, isSensitiveKey });
}

/** Ax's errors about function arguments have their text in `fields`. */
function fieldMessages(error: unknown): string | undefined {
  const fields = readArray(readProperty(error, 'fields')).slice(0, MAX_MEMBERS);
  const lines = fields.map((field) => `${readText(field, 'field')}: ${readText(field, 'message')}`);
  return lines.length > 0 ? lines.join('; ') : undefined;
}

/** An identifier such as `ECONNREFUSED`, `rate_limit_exceeded`, `-32601`: never free text. */
function asCode(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isInteger(value)) return String(value);
  return typeof value === 'string' && /^[A-Za-z][\w.-]{1,63}$/.test(value) ? value : undefined;
}

function codeOf(error: unknown): string | undefined {
  const own = readProperty(error, 'code');
  // A DOMException's number is of no use beside its name. Newer releases of Node count it as a native error.
  const isNumberOfUse = types.isNativeError(error) && !(error instanceof DOMException);
  if (typeof own !== 'number' || isNumberOfUse) {
    const code = asCode(own);
    if (code !== undefined) return code;
  }
  const body = providerError(error);
  return asCode(readText(body, 'code')) ?? asCode(readText(body, 'type')) ?? networkCode(error);
}

/** The platform's `fetch` throws a TypeError whose cause is the system's error; from Ax 16 on one more error is around it. */
function networkCode(error: unknown): string | undefined {
  const failure = readProperty(error, 'originalError') ?? error;
  if (readText(failure, 'name') !== 'TypeError') return undefined;
  return asCode(readProperty(readProperty(failure, 'cause'), 'code'));
}

/** The provider's error object in the body of its answer: `{ error: { code, type, message } }`. */
function providerError(error: unknown): unknown {
  const body = responseBody(error);
  return readProperty(body, 'error') ?? body;
}

/** Ax wraps the body of a status error once more. */
function responseBody(error: unknown): unknown {
  const body = readProperty(error, 'responseBody');
  return readProperty(body, 'responseBody') ?? body;
}

function statusCode(error: unknown): string | undefined {
  const status = statusOf(error);
  return status === undefined ? undefined : String(status);
}

function statusOf(error: unknown): number | undefined {
  const status = readProperty(error, 'status') ?? readProperty(error, 'statusCode');
  return typeof status === 'number' && status >= 100 && status < 600 ? status : undefined;
}

function requestIdOf(error: unknown): string | undefined {
  const body = responseBody(error);
  const candidates = [
    readProperty(error, 'requestId'),
    readProperty(error, 'request_id'),
    readProperty(error, 'requestID'),
    readProperty(body, 'request_id'),
    readProperty(body, 'requestId'),
    readProperty(providerError(error), 'request_id'),
  ];
  return candidates.find(
    (id): id is string => typeof id === 'string' && /^[\w.:/-]{1,200}$/.test(id),
  );
}

/** The first answer along the chain of causes. */
function findInChain<T>(error: unknown, find: (error: unknown) => T | undefined): T | undefined {
  let current = error;
  for (let hops = 0; hops < MAX_CAUSES && current !== undefined; hops++) {
    const found = find(current);
    if (found !== undefined) return found;
    current = causeOf(current);
  }
  return undefined;
}

function causeOf(error: unknown): unknown {
  // Ax's network error names its cause so.
  return readProperty(error, 'cause') ?? readProperty(error, 'originalError');
}

/** Writes the stack of an error with all that caused it. */
class StackText {
  private readonly seen = new Set<unknown>();
  private readonly lines: string[] = [];
  private chars = 0;

  constructor(
    private readonly content: boolean,
    private readonly isSensitiveKey: KeyPredicate | undefined,
  ) {}

  add(error: unknown): string | undefined {
    this.write('', error, 0);
    return this.lines.length > 0 ? this.lines.join('\n') : undefined;
  }

  private write(prefix: string, error: unknown, depth: number): void {
    if (depth > MAX_CAUSES || this.chars > MAX_CHARS) return;
    if (error !== null && typeof error === 'object') {
      if (this.seen.has(error)) {
        this.line(`${prefix}[circular]`);
        return;
      }
      this.seen.add(error);
    } else if (prefix === '') {
      return;
    }
    this.line(prefix + this.head(error));
    for (const frame of framesOf(readText(error, 'stack'), readText(error, 'message')))
      this.line(frame);
    if (this.content) this.response(error);
    const members = readArray(readProperty(error, 'errors'));
    members.slice(0, MAX_MEMBERS).forEach((member, index) => {
      this.write(`Error ${index + 1} of ${members.length}: `, member, depth + 1);
    });
    const cause = causeOf(error);
    if (cause !== undefined) this.write('Caused by: ', cause, depth + 1);
  }

  private head(error: unknown): string {
    const type = typeName(error, this.content);
    return this.content
      ? `${type}: ${wordsOf(error, messageOf(error, this.isSensitiveKey))}`
      : plainMessage(type, codeOf(error) ?? statusCode(error) ?? type);
  }

  /** Where an Ax service error came from. Its request is the model call's input and is not repeated. */
  private response(error: unknown): void {
    const url = readText(error, 'url');
    if (url !== undefined) this.line(`URL: ${url}`);
    const body = responseBody(error);
    if (body === undefined) return;
    const { isSensitiveKey } = this;
    const json = toJson(body, { maxBytes: MAX_RESPONSE_BYTES, isSensitiveKey });
    this.line(`Response body: ${wordsOf(error, json)}`);
  }

  private line(line: string): void {
    this.chars += line.length;
    this.lines.push(line.slice(0, MAX_CHARS));
  }
}
