import { types } from 'node:util';
import { redactCredentials } from './credentials.js';
import type { KeyPredicate } from './key-matcher.js';
import { describeBinary, describeMedia } from './media.js';
import { ignoreIfMade, withoutPromise } from './read.js';
import { redactCutUrls, redactUrls } from './urls.js';

/**
 * What an object that is neither an array nor a plain object is recorded as:
 * a short text, a list, pairs (a Map), named fields, or its own enumerable properties.
 */
export type Description =
  | { as: 'text'; text: string }
  | { as: 'value'; value: unknown }
  | { as: 'list'; items: Iterator<unknown>; size: number }
  | { as: 'pairs'; items: Iterator<readonly [unknown, unknown]>; size: number }
  | { as: 'fields'; fields: Iterator<readonly [string, unknown]>; headers: boolean }
  | { as: 'properties'; name: string };

const MAX_STACK_CHARS = 4096;
const MAX_MESSAGE_CHARS = 200;
/** Of a search, in all. */
const MAX_PARAMETERS = 1000;
const MAX_NAME_CHARS = 80;
/** Prototypes looked at; a proxy can make a chain without end. */
const MAX_HOPS = 16;
/** No integer beyond is written out in digits: their number grows faster than any budget. */
const MAX_BIGINT = 2n ** 4096n;

const text = (value: string): Description => ({ as: 'text', text: value });

/** A bigint in decimal digits, or its size where it is absurdly large. */
export function bigintText(value: bigint): string {
  return value < MAX_BIGINT && value > -MAX_BIGINT ? value.toString() : '[bigint over 4096 bits]';
}

/** A function's name without running a getter. */
export function functionText(value: object): string {
  const name = ownValue(value, 'name');
  return typeof name === 'string' && name !== ''
    ? `[Function: ${name.slice(0, MAX_NAME_CHARS)}]`
    : '[Function]';
}

/** The value of an own data property; a getter is not run. */
function ownValue(value: object, key: PropertyKey): unknown {
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}

/** A method found as data on the value or its prototypes; no getter is run. */
function method(value: object, key: PropertyKey): unknown {
  let holder: object | null = value;
  for (let hops = 0; holder !== null && hops < MAX_HOPS; hops++) {
    const descriptor = Object.getOwnPropertyDescriptor(holder, key);
    if (descriptor !== undefined) {
      return typeof descriptor.value === 'function' ? descriptor.value : undefined;
    }
    holder = Object.getPrototypeOf(holder);
  }
  return undefined;
}

/** What a class decides for all its instances. */
interface ClassPlan {
  name: string;
  /** Connections, streams, services and programs: their fields are machinery, and lead to sockets and keys. */
  machinery: boolean;
  toJson: ToJson | undefined;
}

type ToJson = (this: unknown) => unknown;

const plans = new WeakMap<object, ClassPlan>();

function planOf(value: object): ClassPlan {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null) return { name: 'Object', machinery: false, toJson: undefined };
  let plan = plans.get(prototype);
  if (plan === undefined) {
    plan = {
      name: className(prototype),
      machinery: isMachinery(prototype),
      toJson: method(prototype, 'toJSON') as ToJson | undefined,
    };
    plans.set(prototype, plan);
  }
  return plan;
}

/** The name of the class that a prototype belongs to; minified names say nothing and are left out. */
function className(prototype: object): string {
  let holder: object | null = prototype;
  for (let hops = 0; holder !== null && hops < MAX_HOPS; hops++) {
    const owner = ownValue(holder, 'constructor');
    if (typeof owner === 'function') {
      const name = ownValue(owner, 'name');
      if (typeof name === 'string' && name.length > 2) return name.slice(0, MAX_NAME_CHARS);
    }
    holder = Object.getPrototypeOf(holder);
  }
  return 'Object';
}

function isMachinery(prototype: object): boolean {
  const has = (key: PropertyKey): boolean => method(prototype, key) !== undefined;
  return (
    (has('on') && has('emit')) ||
    has('addEventListener') ||
    has('pipe') ||
    has('getReader') ||
    has('getWriter') ||
    has('unref') ||
    has(Symbol.asyncIterator) ||
    has('chat') ||
    has('forward') ||
    (has('next') && has(Symbol.iterator))
  );
}

/** The beginning of a text without credentials. More than that is looked at, so that no half of one stays where it is cut. */
function redactedHead(text: string, maxChars: number, isSensitiveKey?: KeyPredicate): string {
  const seen = maxChars * 4;
  const head = text.length > seen ? redactCutUrls(text.slice(0, seen)) : text;
  return redactCredentials(head, isSensitiveKey).slice(0, maxChars);
}

function* errorFields(
  error: object,
  isSensitiveKey: KeyPredicate | undefined,
): Generator<readonly [string, unknown]> {
  const read = (key: string): unknown => {
    try {
      const value = (error as Record<string, unknown>)[key];
      ignoreIfMade(value, error, key);
      return typeof value === 'string'
        ? redactedHead(value, MAX_STACK_CHARS, isSensitiveKey)
        : value;
    } catch (failure) {
      return threw(failure);
    }
  };
  yield ['name', read('name')];
  yield ['message', read('message')];
  for (const key of ['code', 'status', 'stack', 'cause', 'errors']) {
    const value = key === 'stack' || Object.hasOwn(error, key) ? read(key) : undefined;
    if (value !== undefined) yield [key, value];
  }
}

/** Brand checks by the platform itself: no code of the value runs. */
function describeNative(
  value: object,
  isSensitiveKey: KeyPredicate | undefined,
): Description | undefined {
  if (types.isDate(value)) {
    const time = Date.prototype.getTime.call(value);
    return text(Number.isNaN(time) ? 'Invalid Date' : new Date(time).toISOString());
  }
  if (types.isMap(value)) {
    return { as: 'pairs', items: Map.prototype.entries.call(value), size: sizeOf(Map, value) };
  }
  if (types.isSet(value)) {
    return { as: 'list', items: Set.prototype.values.call(value), size: sizeOf(Set, value) };
  }
  // Up to Node 20 a DOMException, which an abort rejects with, is no native error.
  if (types.isNativeError(value) || value instanceof DOMException) {
    return { as: 'fields', fields: errorFields(value, isSensitiveKey), headers: false };
  }
  if (types.isRegExp(value)) return text(regexpText(value));
  if (types.isPromise(value)) return text('[Promise]');
  if (types.isUint8Array(value)) {
    return text(describeBinary(Buffer.isBuffer(value) ? 'Buffer' : 'Uint8Array', value));
  }
  if (ArrayBuffer.isView(value)) {
    return text(
      describeMedia(types.isDataView(value) ? 'DataView' : planOf(value).name, value.byteLength),
    );
  }
  if (types.isAnyArrayBuffer(value)) {
    return text(
      describeMedia(
        types.isArrayBuffer(value) ? 'ArrayBuffer' : 'SharedArrayBuffer',
        value.byteLength,
      ),
    );
  }
  if (types.isBoxedPrimitive(value)) return { as: 'value', value: unboxed(value) };
  if (types.isWeakMap(value)) return text('[WeakMap]');
  if (types.isWeakSet(value)) return text('[WeakSet]');
  if (types.isGeneratorObject(value)) return text('[Generator]');
  return undefined;
}

/** The size as the platform counts it, whatever a subclass says. */
function sizeOf(type: typeof Map | typeof Set, value: object): number {
  return Number(Object.getOwnPropertyDescriptor(type.prototype, 'size')?.get?.call(value));
}

function regexpText(value: RegExp): string {
  const read = (key: 'source' | 'flags'): unknown =>
    Object.getOwnPropertyDescriptor(RegExp.prototype, key)?.get?.call(value);
  return `/${String(read('source'))}/${String(read('flags'))}`;
}

function unboxed(value: object): unknown {
  if (types.isStringObject(value)) return String.prototype.valueOf.call(value);
  if (types.isNumberObject(value)) return Number.prototype.valueOf.call(value);
  if (types.isBooleanObject(value)) return Boolean.prototype.valueOf.call(value);
  if (types.isBigIntObject(value)) return BigInt.prototype.valueOf.call(value);
  return Symbol.prototype.valueOf.call(value);
}

/** Web platform classes, by `instanceof` of the global class where there is one. */
function describeWeb(value: object): Description | undefined {
  if (value instanceof URL) return text(redactUrls(withoutUser(value)));
  if (value instanceof URLSearchParams) {
    return { as: 'fields', fields: searchFields(value), headers: true };
  }
  if (value instanceof Headers) {
    return { as: 'fields', fields: Headers.prototype.entries.call(value), headers: true };
  }
  if (value instanceof Blob) {
    const name = ownFileName(value);
    return text(
      name + describeMedia(value.type === '' ? planOf(value).name : value.type, value.size),
    );
  }
  return undefined;
}

/** Parameters by their names; those of one name as a list. */
function* searchFields(params: URLSearchParams): Generator<readonly [string, unknown]> {
  const named = new Map<string, string[]>();
  let count = 0;
  for (const [name, value] of URLSearchParams.prototype.entries.call(params)) {
    if (++count > MAX_PARAMETERS) break;
    const values = named.get(name);
    if (values === undefined) named.set(name, [value]);
    else values.push(value);
  }
  for (const [name, values] of named) yield [name, values.length === 1 ? values[0] : values];
  if (count > MAX_PARAMETERS) yield ['[truncated]', 'more'];
}

/** Exact where the text alone would be ambiguous: `https://u:p@host/@name`. */
function withoutUser(url: URL): string {
  const copy = new URL(URL.prototype.toString.call(url));
  copy.username = '';
  copy.password = '';
  return copy.href;
}

function ownFileName(value: Blob): string {
  return typeof File === 'function' && value instanceof File
    ? `${value.name.slice(0, MAX_NAME_CHARS)} `
    : '';
}

/**
 * Decides how an object of a class is recorded. May throw where a proxy does.
 *
 * A class's `toJSON` is called, for that is what its author wrote it for; never that of its result (`ask` is then `false`).
 */
export function describeObject(
  value: object,
  ask: boolean,
  isSensitiveKey: KeyPredicate | undefined,
): Description {
  if (types.isProxy(value)) return { as: 'properties', name: 'Proxy' };
  const native = describeNative(value, isSensitiveKey) ?? describeWeb(value);
  if (native !== undefined) return native;
  if (value === globalThis) return text('[globalThis]');
  const { name, machinery, toJson } = planOf(value);
  if (ask && toJson !== undefined) return { as: 'value', value: callToJson(value, toJson) };
  return machinery ? text(`[${name}]`) : { as: 'properties', name };
}

/** Calls a value's `toJSON`. A promise it makes is nobody's to handle, so its rejection must not end the process. */
export function callToJson(value: object, toJson: ToJson): unknown {
  const result = toJson.call(value);
  withoutPromise(result);
  return result;
}

/** A marker for what a getter, a proxy or a `toJSON` threw. Reads no more than the message. */
export function threw(error: unknown): string {
  let reason = typeof error === 'string' ? error : '';
  try {
    if (types.isNativeError(error) && typeof error.message === 'string') reason = error.message;
  } catch {
    // A message that throws in its turn says nothing.
  }
  return reason === '' ? '[threw]' : `[threw: ${redactedHead(reason, MAX_MESSAGE_CHARS)}]`;
}
