import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyMatcher, createValueRedactor } from '../../src/capture/redact.js';
import { serialize, serializeText } from '../../src/capture/serialize.js';
import { fuzzCases } from '../support/fuzz.js';

const cases = fuzzCases();

const oddStrings = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  // UTF-16 units of all kinds: lone surrogates, NUL, controls.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toJSON',
    'password',
    'apiKey',
    'a.b',
    '',
    'length',
    'then',
  ),
  fc
    .constantFrom(
      'data:image/png;base64,',
      'http://u:p@h/?key=x',
      '{"password":"x',
      '[{"token":1}]',
    )
    .map((head) => head + 'aB3+'.repeat(40)),
  fc
    .tuple(fc.constantFrom('é', '😀', '\ud83d', '\0', '"', '\n', 'x'), fc.nat(3000))
    .map(([unit, count]) => unit.repeat(count)),
);

const primitives = fc.oneof(
  oddStrings,
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(null, undefined, Number.NaN, -0, Infinity, Symbol('s'), Symbol()),
);

function throwing(): never {
  throw new Error('from the value');
}

/** Containers around values: every way in which an object can be odd. */
const wraps: readonly ((items: unknown[]) => unknown)[] = [
  (items) => items,
  (items) => Object.assign(Object.create(null), { items }),
  (items) => new Map(items.map((item, index) => [index % 2 ? item : `k${index}`, item])),
  (items) => new Set(items),
  (items) => ({
    items,
    get bad() {
      return throwing();
    },
  }),
  (items) => ({ items, toJSON: throwing }),
  (items) => ({ toJSON: () => items }),
  (items) => ({
    items,
    toJSON() {
      return this;
    },
  }),
  (items) => new Proxy(items, {}),
  (items) => new Proxy({ items }, { get: throwing }),
  (items) => new Proxy({ items }, { ownKeys: throwing }),
  (items) => new Proxy({ items }, { getPrototypeOf: throwing }),
  (items) => new Proxy({ items }, { getOwnPropertyDescriptor: throwing }),
  (items) => new Proxy({ a: items }, { get: (target) => new Proxy(target, { get: () => target }) }),
  (items) => {
    const { proxy, revoke } = Proxy.revocable({ items }, {});
    revoke();
    return proxy;
  },
  (items) => {
    const list: unknown[] = [...items];
    list.push(list, { list });
    return list;
  },
  (items) => {
    let value: unknown = items;
    for (let depth = 0; depth < 200; depth++) value = [value];
    return value;
  },
  (items) =>
    new (class Thing {
      items = items;
      #secret = 1;
      get secret() {
        return this.#secret;
      }
      method = () => 1;
    })(),
  (items) =>
    Object.create(
      { inherited: 1 },
      { own: { value: items, enumerable: true }, hidden: { value: 1 } },
    ),
  (items) =>
    Object.create(Object.defineProperty({}, 'constructor', { get: throwing }), {
      own: { value: items, enumerable: true },
    }),
  (items) => Object.setPrototypeOf([...items], null),
  (items) =>
    Object.setPrototypeOf({ items }, new Proxy({}, { getOwnPropertyDescriptor: throwing })),
  (items) => Object.assign(new Error('e', { cause: items }), { errors: items }),
  (items) => new AggregateError(items.map(() => new Error('m'))),
  () => Object.defineProperty(new Error('e'), 'stack', { get: throwing }),
  (items) => Object.assign(new Date(items.length), { items }),
  (items) => Object.assign(() => items, { items }),
  (items) => new Uint8Array(items.length),
  (items) => Object.assign(Object('boxed'), { items }),
  (items) => {
    const sparse: unknown[] = [];
    sparse[1e6] = items;
    return sparse;
  },
  (items) => [items, items, items],
  (items) => ({ a: items, b: items, '\ud800': items, '\0': 1, ['k'.repeat(2000)]: 2 }),
  (items) => Promise.resolve(items),
  (items) =>
    (function* () {
      yield items;
    })(),
  (items) => Object.freeze({ items: Object.freeze([...items]) }),
];

/** Makes the value when the property runs: the library itself would trip over most of them. */
type Recipe = () => unknown;

function recipe(make: Recipe, parts: unknown): Recipe {
  return Object.assign(make, { [fc.toStringMethod]: () => fc.stringify(parts) });
}

const anything = fc.letrec<{ value: Recipe }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    primitives.map((value) => recipe(() => value, value)),
    fc
      .tuple(fc.constantFrom(...wraps), fc.array(tie('value'), { maxLength: 6 }))
      .map(([wrap, items]) =>
        recipe(() => wrap(items.map((item) => item())), [String(wrap), items]),
      ),
    fc
      .array(fc.tuple(oddStrings, tie('value')), { maxLength: 6 })
      .map((entries) =>
        recipe(() => Object.fromEntries(entries.map(([key, item]) => [key, item()])), entries),
      ),
  ),
})).value;

const options = fc.record({
  maxBytes: fc.oneof(fc.integer({ min: -1, max: 400 }), fc.constant(65_536)),
  maxDepth: fc.integer({ min: 0, max: 64 }),
  maxItems: fc.oneof(fc.nat(10), fc.constant(Infinity)),
  keepMedia: fc.boolean(),
  isSensitiveKey: fc.constantFrom(createKeyMatcher(), undefined),
  redactText: fc.constantFrom(undefined, (text: string) => text.replaceAll('e', 'EE')),
});

/** Own properties of everything reachable without running code of the value. */
function snapshot(value: unknown, seen = new Set<unknown>()): unknown {
  if (value === null || typeof value !== 'object' || seen.has(value)) return value;
  seen.add(value);
  try {
    return Object.entries(Object.getOwnPropertyDescriptors(value)).map(([key, descriptor]) => [
      key,
      descriptor.writable,
      descriptor.get,
      snapshot(descriptor.value, seen),
    ]);
  } catch {
    return 'unreadable';
  }
}

function budgetOf(maxBytes: number): number {
  return Math.max(16, maxBytes);
}

describe(`serialize, on any value (${cases} of them)`, () => {
  it('gives valid, well-formed JSON without NUL, within its budget, and leaves the value alone', () => {
    fc.assert(
      fc.property(anything, options, (make, opts) => {
        const value = make();
        const before = snapshot(value);
        const { json } = serialize(value, opts);
        JSON.parse(json);
        expect(json.isWellFormed()).toBe(true);
        expect(json).not.toMatch(/\\u0000|\0/);
        expect(Buffer.byteLength(json)).toBeLessThanOrEqual(budgetOf(opts.maxBytes));
        expect(json).not.toBe('"[unserializable]"');
        expect(snapshot(value)).toEqual(before);
      }),
    );
  });

  it('says the same as JSON.stringify of plain JSON values that fit', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const { json, truncated } = serialize(value);
        expect(truncated).toBe(false);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('gives well-formed text within its budget', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          oddStrings.map(
            (text): Recipe =>
              () =>
                text,
          ),
          anything,
        ),
        options,
        (make, opts) => {
          const value = make();
          const { text } = serializeText(value, opts);
          expect(text.isWellFormed()).toBe(true);
          expect(text).not.toContain('\0');
          expect(Buffer.byteLength(text)).toBeLessThanOrEqual(budgetOf(opts.maxBytes));
        },
      ),
    );
  });
});

describe('credentials', () => {
  const SECRET = 'zq9x8c7v6b5n4m3a';
  const isSensitiveKey = createKeyMatcher();
  const name = fc.constantFrom('apiKey', 'password', 'x-api-key', 'Authorization', 'client_secret');
  const harmless = fc.constantFrom('keywords', 'a', 'nested', 'maxTokens', 'text');
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom('say "hi": x', 'it\'s: "k":"v"', 'back\\slash\\', '{"a":', 'Answer Text: '),
  );
  const holder: fc.Arbitrary<Record<string, unknown>> = fc
    .tuple(fc.dictionary(harmless, text, { maxKeys: 3 }), name, fc.boolean())
    .map(([others, key, first]) =>
      first ? { [key]: SECRET, ...others } : { ...others, [key]: SECRET },
    );
  /** Around a value: an object, a list, JSON text. */
  const layers = fc.array(
    fc.tuple(fc.constantFrom('object', 'list', 'JSON', 'indented JSON'), harmless, text),
    { maxLength: 6 },
  );

  it('under a name of their own are recorded nowhere, however deep', () => {
    fc.assert(
      fc.property(holder, layers, fc.boolean(), (inner, around, isText) => {
        let value: unknown = inner;
        let depth = 0;
        for (const [kind, key, other] of around) {
          if (kind === 'object') value = { other, [key]: value };
          else if (kind === 'list') value = [other, value];
          else if (depth++ < 4) {
            value = JSON.stringify(value, undefined, kind === 'JSON' ? undefined : 2);
          }
        }
        if (isText)
          value = `Some Record: ${typeof value === 'string' ? value : JSON.stringify(value)}`;
        expect(serialize(value, { isSensitiveKey, maxBytes: 65_536 }).json).not.toContain(SECRET);
      }),
    );
  });
});

describe('createValueRedactor, on any value', () => {
  const leaf = fc
    .string({ unit: 'grapheme', minLength: 6, maxLength: 40 })
    .filter((text) => text.trim().length >= 6);

  it('never throws', () => {
    fc.assert(
      fc.property(anything, anything, oddStrings, (original, sanitized, text) => {
        const redactor = createValueRedactor(original(), sanitized());
        expect(typeof (redactor?.redact(text) ?? '')).toBe('string');
      }),
    );
  });

  it('leaves no removed value in text made from it', () => {
    fc.assert(
      fc.property(
        leaf,
        leaf,
        fc.dictionary(fc.constantFrom('a', 'b', 'c'), leaf),
        (secret, around, others) => {
          fc.pre(!Object.values(others).some((other) => other.includes(secret.trim())));
          const redactor = createValueRedactor(
            { ...others, secret },
            { ...others, secret: '[hidden]' },
          );
          const text = `${around} ${secret} ${JSON.stringify({ secret })}`;
          fc.pre(!'[hidden]'.includes(secret.trim()) && !around.includes(secret.trim()));
          expect(redactor?.redact(text)).not.toContain(secret.trim());
        },
      ),
    );
  });
});
