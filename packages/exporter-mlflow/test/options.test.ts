import { diag } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { MlflowSpanExporter } from '../src/exporter.js';
import { readOptions } from '../src/options.js';

describe('tags and metadata', () => {
  it('are an object of texts', () => {
    const tags = Object.assign(Object.create(null), { team: 'ml', size: 3, none: undefined });
    const { settings, warnings } = readOptions({ tags, metadata: { a: 'b' } });
    expect(settings.tags).toEqual({ team: 'ml', size: '3' });
    expect(settings.metadata).toEqual({ a: 'b' });
    expect(warnings).toEqual([]);
  });

  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  it.each([
    ['a Map', new Map([['team', 'ml']])],
    ['Headers', new Headers({ team: 'ml' })],
    ['a text', 'team=ml'],
    ['a list', ['ml']],
    ['null', null],
    ['a revoked proxy', revoked],
  ])('that are %s give one warning and none', (_, value) => {
    const { settings, warnings } = readOptions({ tags: value as never });
    expect(settings.tags).toEqual({});
    expect(warnings).toEqual([
      expect.stringMatching(/^tags: .* is not an object of texts; none is used$/),
    ]);
  });
});

describe('options that are no object', () => {
  it.each(['http://user:canary@h', 5, [], null])('%j give one warning', (options) => {
    const warnings: string[] = [];
    const warn = (message: string) => warnings.push(message);
    const nothing = () => {};
    diag.setLogger({ warn, error: warn, info: nothing, debug: nothing, verbose: nothing });
    new MlflowSpanExporter(options as never);
    diag.disable();
    expect(warnings).toEqual([
      expect.stringMatching(/the options are not an object; none of them has an effect$/),
    ]);
  });
});
