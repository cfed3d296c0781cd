import { runInNewContext } from 'node:vm';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { diagnostics } from '../../src/diagnostics.js';
import { parseBoolean } from '../../src/env.js';
import { resolveSettings } from '../../src/settings.js';
import type { DspyInstrumentationConfig } from '../../src/types.js';

const warnings: [string, string][] = [];
beforeEach(() => {
  warnings.length = 0;
  vi.spyOn(diagnostics, 'warnOnce').mockImplementation((...call) => void warnings.push(call));
});

const resolve = (config: object = {}, env = {}) =>
  resolveSettings(config as DspyInstrumentationConfig, env);

describe('options', () => {
  it('have their defaults', () => {
    expect(resolve()).toMatchObject({
      enabled: true,
      inputs: true,
      outputs: true,
      signatures: true,
      steps: true,
      genAi: true,
      openInference: true,
      samplingRate: 1,
      nativeSpans: false,
      recordOptimizerCalls: false,
      tags: undefined,
      serialize: { maxBytes: 65536, keepMedia: false },
    });
    expect(warnings).toEqual([]);
  });

  it.each(['logInput', 'hideInputs', 'inputSanitiser', 'redactKey', 'captureContent'])(
    '%s, which is unknown and may have kept content back, does',
    (name) => {
      for (const value of [true, false, () => ({})]) {
        expect(resolve({ [name]: value })).toMatchObject({
          inputs: false,
          outputs: false,
          signatures: false,
        });
      }
      expect(resolve({ samplingrate: 1 })).toMatchObject({ inputs: true, outputs: true });
    },
  );

  it('that are unknown are named once, with what there is', () => {
    resolve({ captureContents: false });
    expect(warnings).toEqual([
      [
        'option captureContents',
        expect.stringMatching(/"captureContents" is unknown.*logInputs, logOutputs/),
      ],
    ]);
  });

  it.each([
    ['logInputs', 'no', 'inputs', false],
    ['logOutputs', 0, 'outputs', false],
    ['logSignatures', null, 'signatures', false],
    ['enabled', 'false', 'enabled', false],
    ['logIntermediateSteps', 'yes', 'steps', true],
    ['nativeSpans', 1, 'nativeSpans', false],
    ['samplingRate', '0.1', 'samplingRate', 1],
    ['samplingRate', Number.NaN, 'samplingRate', 1],
    ['samplingRate', 1.5, 'samplingRate', 1],
    ['moduleFilter', 'AxGen', 'moduleFilter', undefined],
  ])('%s=%s is named and replaced', (name, value, setting, expected) => {
    const settings: Record<string, unknown> = { ...resolve({ [name]: value }) };
    expect(settings[setting]).toBe(expected);
    expect(warnings).toEqual([[`option ${name}`, expect.stringContaining(name)]]);
  });

  it.each(['inputSanitizer', 'outputSanitizer'])('%s that is no function hides content', (name) => {
    expect(resolve({ [name]: 'redact' })).toMatchObject({ inputs: false, outputs: false });
    expect(warnings.length).toBeGreaterThan(0);
  });

  it.each([100, -1, Number.POSITIVE_INFINITY])('maxAttributeBytes=%s is replaced', (value) => {
    expect(resolve({ maxAttributeBytes: value }).serialize.maxBytes).toBe(65536);
    expect(warnings).toHaveLength(1);
  });

  it('conventions that are unknown are named', () => {
    expect(resolve({ conventions: ['openinference', 'otel'] })).toMatchObject({
      genAi: false,
      openInference: true,
    });
    expect(warnings).toHaveLength(1);
  });

  it('customTags become attributes', () => {
    expect(resolve({ customTags: { a: '1', empty: '', '': 'no', n: 2 } }).tags).toEqual({
      'dspy.tag.a': '1',
      'dspy.tag.empty': '',
      'dspy.tag.n': '2',
      'tag.tags': ['a:1', 'empty:', 'n:2'],
    });
  });
});

describe('tags', () => {
  it('hold no credentials', () => {
    const customTags = {
      site: 'https://me:canary@host/?token=canary',
      header: 'Bearer canary1234567',
      apiKey: 'canary',
      ssn: 'canary',
      team: 'ml',
    };
    const { tags } = resolve({ customTags, redactKeys: ['ssn'] });
    expect(JSON.stringify(tags)).not.toContain('canary');
    expect(tags).toMatchObject({
      'dspy.tag.site': 'https://host/?token=[REDACTED]',
      'dspy.tag.header': 'Bearer [REDACTED]',
      'dspy.tag.apiKey': '[REDACTED]',
      'dspy.tag.ssn': '[REDACTED]',
      'dspy.tag.team': 'ml',
    });
    expect(tags?.['tag.tags']).toContain('apiKey:[REDACTED]');
  });
});

describe('options of a class', () => {
  class Base {
    get logInputs(): boolean {
      return false;
    }
    constructor(readonly mark = '***') {}
    get marc(): string {
      return this.mark;
    }
  }
  class Options extends Base {
    samplingRate = 0.5;
    inputSanitizer(): unknown {
      return this.mark;
    }
  }

  it('are read, with those it inherits, and a name that is wrong is said', () => {
    const settings = resolve(new Options());
    expect(settings).toMatchObject({ inputs: false, outputs: true, samplingRate: 0.5 });
    // A method needs its object.
    expect((settings.inputSanitizer as () => unknown)()).toBe('***');
    expect(warnings.map(([key]) => key).toSorted()).toEqual(['option marc', 'option mark']);
  });

  it('are read from any chain of prototypes, and from properties that are not enumerable', () => {
    expect(resolve(Object.create({ logInputs: false }))).toMatchObject({ inputs: false });
    const hidden = Object.defineProperty({}, 'logOutputs', { value: false });
    expect(resolve(hidden)).toMatchObject({ outputs: false });
    expect(resolve(Object.create(null, { logInputs: { value: false } })).inputs).toBe(false);
    expect(warnings).toEqual([]);
    resolve(Object.create({ captureContent: false }));
    expect(warnings.map(([key]) => key)).toEqual(['option captureContent']);
  });

  it('of another realm are read without what all its objects have', () => {
    expect(resolve(runInNewContext('({ logInputs: false })')).inputs).toBe(false);
    expect(warnings).toEqual([]);
  });

  it('that throw, or have no end, are guarded', () => {
    class Throwing {
      get logInputs(): boolean {
        throw new Error('no');
      }
    }
    expect(resolve(new Throwing())).toMatchObject({ inputs: false, outputs: true });
    const endless: object = new Proxy({}, { getPrototypeOf: () => endless });
    expect(resolve(endless)).toMatchObject({ inputs: false, outputs: false, signatures: false });
  });
});

describe('what is no object of options', () => {
  it.each<[string, unknown]>([
    ['a text', 'logInputs'],
    ['a number', 5],
    ['null', null],
    ['a list', [{ logInputs: false }]],
    ['a map', new Map([['logInputs', false]])],
    ['a set', new Set()],
    ['a date', new Date()],
    ['a function', () => ({})],
  ])('%s: is said, and no content is recorded', (_, config) => {
    expect(resolve(config as object)).toMatchObject({
      inputs: false,
      outputs: false,
      signatures: false,
    });
    expect(warnings).toEqual([['options', expect.stringContaining('without content')]]);
  });
});

describe('the limit of the SDK', () => {
  it.each([
    [{ OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '1000' }, 1000],
    [
      { OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '1000', OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '500' },
      500,
    ],
    [{ OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '1000000' }, 65536],
    [{ OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: 'none' }, 65536],
  ])('%j is kept', (env, bytes) => {
    expect(resolve({}, env).serialize.maxBytes).toBe(bytes);
  });
});

describe('parseBoolean', () => {
  it.each([
    ['true', true],
    [' TRUE ', true],
    ['1', true],
    ['yes', true],
    ['on', true],
    ['false', false],
    ['False', false],
    ['0', false],
    ['no', false],
    ['off', false],
    ['maybe', undefined],
    ['', undefined],
    ['10%', undefined],
  ])('reads %j as %s', (text, value) => {
    expect(parseBoolean(text)).toBe(value);
  });
});
