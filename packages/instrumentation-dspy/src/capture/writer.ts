import { types } from 'node:util';
import { REDACTED, redactCredentials } from './credentials.js';
import {
  bigintText,
  callToJson,
  type Description,
  describeObject,
  functionText,
  threw,
} from './describe.js';
import { ignoreIfMade } from './read.js';
import { isSecret, type ScrubOptions, scrub } from './scrub.js';
import { fittingLength, isPlain, moreChars, quote, utf8Length } from './text.js';
import { isSecretParameter } from './urls.js';

export interface WriterOptions extends ScrubOptions {
  maxBytes: number;
  maxDepth: number;
  maxItems: number;
}

/** Set aside for the end of every open container: `,"[truncated]":"+4294967295 keys"}`. */
const CLOSE_BYTES = 36;
/** Strings up to here are looked at unit by unit, which is faster than any library call. */
const SHORT_CHARS = 48;
const MAX_KEY_CHARS = 512;
const MAX_SYMBOL_CHARS = 200;
/** A string is cut to no less; below, a marker stands in its place. */
const MIN_CUT_BYTES = 24;
/** Proxies inside proxies: beyond, they are being made on the way. */
const MAX_PROXIES = 4;
/** In small containers near the top no value may take the room of those that follow. */
const FAIR_DEPTH = 2;
const FAIR_ITEMS = 64;
const FAIR_BYTES = 256;

const TRUNCATED = '"[truncated]"';
const REDACTED_JSON = `"${REDACTED}"`;

/**
 * Writes one value as JSON in a single pass, never beyond its budget of UTF-8 bytes.
 *
 * `room` is what is left of the budget, without what is set aside. While even three bytes a unit would fit, strings are only
 * counted so (an estimate from below); when that runs out, the text is measured once and the count is exact from then on.
 */
export class Writer {
  truncated = false;
  /** Values that were left out for their names. */
  secrets: unknown[] | undefined;
  private out = '';
  private room: number;
  private exact = false;
  private aside = 0;
  /** Property reads left: a walk over values that write nothing (`undefined`) must end too. */
  private reads: number;
  private readonly ancestors: object[] = [];

  constructor(private readonly options: WriterOptions) {
    this.room = options.maxBytes;
    this.reads = options.maxBytes;
  }

  /** The value as JSON. */
  json(value: unknown): string {
    if (this.value(value)) return this.out;
    this.truncated = true;
    return TRUNCATED;
  }

  /** Writes a value; `false` when it does not fit, and then what was written of it is to be taken back. */
  private value(value: unknown, key?: string, owner?: object): boolean {
    switch (typeof value) {
      case 'string':
        return this.string(value, key, owner);
      case 'number':
        return this.number(value);
      case 'boolean':
        return this.ascii(value ? 'true' : 'false');
      case 'undefined':
        return this.ascii('null');
      case 'object':
        return value === null ? this.ascii('null') : this.object(value);
      case 'bigint':
        return this.text(bigintText(value));
      case 'symbol':
        return this.foreign(value.toString().slice(0, MAX_SYMBOL_CHARS));
      default:
        return this.function(value as object);
    }
  }

  private number(value: number): boolean {
    const { redactText } = this.options;
    if (redactText !== undefined) {
      const digits = `${value}`;
      const redacted = redactText(digits);
      if (redacted !== digits) return this.piece(quote(redacted));
    }
    return this.ascii(Number.isFinite(value) ? `${value}` : `"${value}"`);
  }

  private function(value: object): boolean {
    try {
      return this.foreign(functionText(value));
    } catch {
      return this.text('[Function]');
    }
  }

  /** @param ask `false` for what a `toJSON` gave: its own is not asked again. */
  private object(value: object, ask = true): boolean {
    const { ancestors } = this;
    if (ask && ancestors.includes(value)) return this.ascii('"[Circular]"');
    if (ancestors.length >= this.options.maxDepth) {
      this.truncated = true;
      return this.ascii('"[too deep]"');
    }
    if (ancestors.length >= MAX_PROXIES && this.isProxyOfProxies(value)) {
      return this.ascii('"[Proxy]"');
    }
    let description: Description | undefined;
    let isArray: boolean;
    try {
      isArray = Array.isArray(value);
      if (!isArray && !isPlainObject(value)) {
        description = describeObject(value, ask, this.options.isSensitiveKey);
      }
    } catch (error) {
      return this.foreign(threw(error));
    }
    ancestors.push(value);
    const written = isArray
      ? this.array(value as readonly unknown[])
      : description === undefined
        ? this.record(value, undefined, ask)
        : this.described(value, description);
    ancestors.pop();
    return written;
  }

  private isProxyOfProxies(value: object): boolean {
    if (!types.isProxy(value)) return false;
    let proxies = 0;
    for (const ancestor of this.ancestors) if (types.isProxy(ancestor)) proxies++;
    return proxies >= MAX_PROXIES;
  }

  private described(value: object, description: Description): boolean {
    switch (description.as) {
      case 'text':
        return this.text(description.text);
      case 'value':
        return description.value !== null && typeof description.value === 'object'
          ? this.object(description.value, false)
          : this.value(description.value);
      case 'list':
        return this.list(description.items, description.size, (item) => this.value(item));
      case 'pairs':
        return this.list(description.items, description.size, (pair) => this.pair(pair));
      case 'fields':
        return this.fields(description.fields, description.headers);
      case 'properties':
        return this.record(value, description.name, false);
    }
  }

  private array(items: readonly unknown[]): boolean {
    let length: number;
    try {
      length = Math.min(Math.max(0, Math.trunc(Number(items.length)) || 0), 2 ** 32 - 1);
    } catch (error) {
      return this.foreign(threw(error));
    }
    if (length === 0) return this.ascii('[]');
    if (!this.open('[')) return false;
    const most = Math.min(length, this.options.maxItems);
    let index = 0;
    for (; index < most && --this.reads >= 0; index++) {
      const { out, room, exact } = this;
      const held = this.hold(length - index - 1);
      const written = (index === 0 || this.ascii(',')) && this.element(items, index);
      this.release(held);
      if (written) continue;
      this.restore(out, room, exact);
      if (held === 0 || !this.ascii(index === 0 ? TRUNCATED : `,${TRUNCATED}`)) break;
      this.truncated = true;
    }
    if (index < length) this.more(index > 0 ? ',' : '', `"[+${length - index} items]"`);
    return this.close(']');
  }

  private element(items: readonly unknown[], index: number): boolean {
    let item: unknown;
    try {
      item = items[index];
      ignoreIfMade(item, items, index);
    } catch (error) {
      return this.foreign(threw(error));
    }
    return this.value(item);
  }

  /**
   * An object by its own enumerable properties.
   *
   * @param name Its class, if it has one: functions are then methods and left out, and without properties the name stands for it.
   */
  private record(value: object, name: string | undefined, ask = true): boolean {
    let keys: string[];
    try {
      keys = Object.keys(value);
    } catch (error) {
      return this.foreign(threw(error));
    }
    if (keys.length === 0) return name === undefined ? this.ascii('{}') : this.text(`[${name}]`);
    const start = this.out;
    const startRoom = this.room;
    const startExact = this.exact;
    if (!this.open('{')) return false;
    const most = Math.min(keys.length, this.options.maxItems);
    let separator = '';
    let index = 0;
    for (; index < most && --this.reads >= 0; index++) {
      const key = keys[index] as string;
      let item: unknown;
      let failure: string | undefined;
      try {
        item = (value as Record<string, unknown>)[key];
        ignoreIfMade(item, value, key);
      } catch (error) {
        failure = threw(error);
      }
      if (item === undefined && failure === undefined) continue;
      if (typeof item === 'function') {
        if (name !== undefined) continue;
        if (ask && key === 'toJSON') {
          this.aside -= CLOSE_BYTES;
          this.restore(start, startRoom, startExact);
          return this.ownToJson(value, item as () => unknown);
        }
      }
      const { out, room, exact } = this;
      const held = this.hold(keys.length - index - 1);
      const written =
        this.key(key, separator) &&
        (failure === undefined ? this.property(item, key, value) : this.foreign(failure));
      this.release(held);
      if (!written) {
        this.restore(out, room, exact);
        if (held === 0 || !this.key(key, separator) || !this.ascii(TRUNCATED)) {
          this.restore(out, room, exact);
          break;
        }
        this.truncated = true;
      }
      separator = ',';
    }
    if (index < keys.length) this.more(separator, `"[truncated]":"+${keys.length - index} keys"`);
    return this.close('}');
  }

  private ownToJson(value: object, toJson: () => unknown): boolean {
    let result: unknown;
    try {
      result = callToJson(value, toJson);
    } catch (error) {
      return this.foreign(threw(error));
    }
    return result !== null && typeof result === 'object'
      ? this.object(result, false)
      : this.value(result);
  }

  private property(item: unknown, key: string, owner: object | undefined): boolean {
    const { isSensitiveKey } = this.options;
    if (isSensitiveKey !== undefined && isSecret(item) && isSensitiveKey(key) && !isSchema(item)) {
      this.secrets ??= [];
      this.secrets.push(item);
      return this.ascii(REDACTED_JSON);
    }
    return this.value(item, key, owner);
  }

  /** A list whose items come from an iterator of the platform. */
  private list<T>(items: Iterator<T>, size: number, write: (item: T) => boolean): boolean {
    if (size === 0) return this.ascii('[]');
    if (!this.open('[')) return false;
    let index = 0;
    for (; index < this.options.maxItems && --this.reads >= 0; index++) {
      const next = items.next();
      if (next.done === true) return this.close(']');
      const { out, room, exact } = this;
      if ((index === 0 || this.ascii(',')) && write(next.value)) continue;
      this.restore(out, room, exact);
      break;
    }
    if (index < size) this.more(index > 0 ? ',' : '', `"[+${size - index} items]"`);
    return this.close(']');
  }

  private pair([key, item]: readonly [unknown, unknown]): boolean {
    if (!this.open('[')) return false;
    const written =
      this.value(key) &&
      this.ascii(',') &&
      (typeof key === 'string' ? this.property(item, key, undefined) : this.value(item));
    return this.close(']') && written;
  }

  /** Named values from an iterator of ours or the platform, as an object. */
  private fields(fields: Iterator<readonly [string, unknown]>, headers: boolean): boolean {
    if (!this.open('{')) return false;
    let separator = '';
    while (--this.reads >= 0) {
      const { out, room, exact } = this;
      const next = fields.next();
      if (next.done === true) return this.close('}');
      const [key, item] = next.value;
      const secret = headers && isSecretParameter(key);
      if (
        this.key(key, separator) &&
        (secret ? this.ascii(REDACTED_JSON) : this.property(item, key, undefined))
      ) {
        separator = ',';
        continue;
      }
      this.restore(out, room, exact);
      break;
    }
    this.more(separator, '"[truncated]":"more"');
    return this.close('}');
  }

  private key(key: string, separator: string): boolean {
    const { options } = this;
    if (key.length <= SHORT_CHARS && options.redactText === undefined && isPlain(key)) {
      return this.ascii(`${separator}"${key}":`);
    }
    // A name may be a value: an address, a URL, a line of a log.
    const { text, cut } = scrub(key, MAX_KEY_CHARS, options);
    const kept = text.slice(0, MAX_KEY_CHARS);
    const left = (cut ? key.length : text.length) - kept.length;
    if (left > 0) this.truncated = true;
    return this.piece(`${separator}${quote(left > 0 ? kept + moreChars(left) : kept)}:`);
  }

  private string(value: string, key?: string, owner?: object): boolean {
    const { options } = this;
    if (value.length <= SHORT_CHARS && options.redactText === undefined && isPlain(value)) {
      return this.ascii(`"${value}"`);
    }
    // No unit takes less than a byte: what cannot fit is cut before anything scans it.
    if (value.length > this.room) this.measure();
    const { text, cut } = scrub(value, Math.max(0, this.room), options, key, owner);
    if (!cut && this.piece(quote(text))) return true;
    this.measure();
    const space = this.room - 2 - utf8Length(moreChars(value.length));
    if (space < MIN_CUT_BYTES) return false;
    this.truncated = true;
    const kept = text.slice(0, fittingLength(text, space, true));
    const whole = cut ? value.length : text.length;
    return this.piece(quote(kept + moreChars(whole - kept.length)));
  }

  /** Short text of somebody else's about a value, such as a message. */
  private foreign(text: string): boolean {
    return this.text(redactCredentials(text, this.options.isSensitiveKey));
  }

  /** Short text of our own about a value. */
  private text(text: string): boolean {
    const { redactText } = this.options;
    return this.piece(quote(redactText === undefined ? text : redactText(text)));
  }

  /** Writes a token of ASCII alone. */
  private ascii(token: string): boolean {
    if (token.length > this.room) {
      this.measure();
      if (token.length > this.room) return false;
    }
    this.room -= token.length;
    this.out += token;
    return true;
  }

  private piece(json: string): boolean {
    let bytes = json.length * 3;
    if (this.exact || bytes > this.room) {
      this.measure();
      bytes = utf8Length(json);
      if (bytes > this.room) return false;
    }
    this.room -= bytes;
    this.out += json;
    return true;
  }

  /** From an estimate to the exact count; once. */
  private measure(): void {
    if (this.exact) return;
    this.exact = true;
    this.room = this.options.maxBytes - this.aside - utf8Length(this.out);
  }

  private restore(out: string, room: number, exact: boolean): void {
    this.out = out;
    if (exact === this.exact) {
      this.room = room;
    } else {
      this.exact = false;
      this.measure();
    }
  }

  private open(bracket: '[' | '{'): boolean {
    if (this.room < CLOSE_BYTES + 1) this.measure();
    if (this.room < CLOSE_BYTES + 1) return false;
    this.room -= CLOSE_BYTES;
    this.aside += CLOSE_BYTES;
    return this.ascii(bracket);
  }

  /** Says what was left out, in the bytes set aside for it. */
  private more(separator: string, marker: string): void {
    this.truncated = true;
    this.room -= separator.length + marker.length;
    this.out += separator + marker;
  }

  private close(bracket: ']' | '}'): true {
    this.room += CLOSE_BYTES - 1;
    this.aside -= CLOSE_BYTES;
    this.out += bracket;
    return true;
  }

  /** Sets room aside for `following` siblings; gives what was set aside. */
  private hold(following: number): number {
    if (following === 0 || following > FAIR_ITEMS || this.ancestors.length > FAIR_DEPTH) return 0;
    const held = Math.min(following * FAIR_BYTES, this.room >> 2);
    this.room -= held;
    this.aside += held;
    return held;
  }

  private release(held: number): void {
    this.room += held;
    this.aside -= held;
  }
}

const SCHEMA_TYPES = new Set(['string', 'number', 'integer', 'boolean', 'array', 'object', 'null']);
/** Names of JSON Schema under which no value of a property stands, as `default` and `examples` are. */
const SCHEMA_KEYS = new Set([
  'type',
  'description',
  'title',
  'format',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'nullable',
  'required',
]);

/** `true` for what tells the type of a property, in the definition of a tool, and not its value. */
function isSchema(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const { type } = value as { type?: unknown };
    return (
      typeof type === 'string' &&
      SCHEMA_TYPES.has(type) &&
      Object.keys(value).every((key) => SCHEMA_KEYS.has(key))
    );
  } catch {
    return false;
  }
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
