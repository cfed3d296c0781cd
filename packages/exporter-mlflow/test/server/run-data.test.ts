import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prepareRunData, validKey } from '../../src/server/run-data.js';

const metric = (key: string, value: number, step = 0) => ({ key, value, step, timestampMs: 1.5 });
const count = (n: number, prefix: string) =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`${prefix}${i}`, 'v']));

describe('prepareRunData', () => {
  it('makes no request of nothing', () => {
    expect(prepareRunData({})).toEqual({ batches: [], artifacts: {}, skippedMetrics: [] });
  });

  it('fills requests up to the limits of each kind', () => {
    const { batches } = prepareRunData({
      params: count(150, 'p'),
      tags: count(120, 't'),
      metrics: Array.from({ length: 2_500 }, (_, i) => metric('m', i, i)),
    });
    for (const { params, tags, metrics } of batches) {
      expect(params.length).toBeLessThanOrEqual(100);
      expect(tags.length).toBeLessThanOrEqual(100);
      expect(params.length + tags.length + metrics.length).toBeLessThanOrEqual(1_000);
    }
    expect(batches.flatMap(({ params }) => params)).toHaveLength(150);
    expect(batches.flatMap(({ tags }) => tags)).toHaveLength(120);
    expect(batches.flatMap(({ metrics }) => metrics).map(({ step }) => step)).toEqual(
      Array.from({ length: 2_500 }, (_, i) => i),
    );
    expect(batches.length).toBeLessThanOrEqual(5);
  });

  it('keeps a request below one million characters', () => {
    const params = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`p${i}`, '"'.repeat(6_000)]),
    );
    const tags = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`t${i}`, '\u0001'.repeat(8_000)]),
    );
    for (const batch of prepareRunData({ params, tags }).batches) {
      expect(JSON.stringify(batch).length).toBeLessThan(1_000_000);
    }
  });

  it('cuts a long param, never inside a character, and keeps its full text', () => {
    const long = `${'x'.repeat(5_999)}😀${'y'.repeat(100)}`;
    const { batches, artifacts } = prepareRunData({
      params: { 'a/b': long },
      tags: { t: 'z'.repeat(9_000) },
    });
    expect(batches[0]?.params).toEqual([{ key: 'a/b', value: 'x'.repeat(5_999) }]);
    expect(artifacts).toEqual({ 'params/a_b.txt': long });
    expect(batches[0]?.tags[0]?.value).toHaveLength(8_000);
  });

  it('mends text that databases refuse', () => {
    const { batches } = prepareRunData({ params: { a: 'x\u0000y' }, tags: { b: 'half \ud83d' } });
    expect(batches[0]).toMatchObject({
      params: [{ value: 'x\ufffdy' }],
      tags: [{ value: 'half \ufffd' }],
    });
  });

  it('leaves out metrics that are no finite number, and names them', () => {
    const { batches, skippedMetrics } = prepareRunData({
      metrics: [
        metric('a', Number.NaN),
        metric('a', 1),
        metric('b', Number.POSITIVE_INFINITY),
        metric('c', null as never),
      ],
    });
    expect(batches[0]?.metrics).toEqual([{ key: 'a', value: 1, step: 0, timestamp: 2 }]);
    expect(skippedMetrics).toEqual(['a', 'b', 'c']);
  });

  it('keeps names apart that become the same', () => {
    const { batches } = prepareRunData({ params: { é: '1', ü: '2', _: '3' } });
    expect(batches[0]?.params.map(({ key }) => key)).toEqual(['_', '__2', '__3']);
  });

  it('always makes keys that MLflow takes', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[./a]{0,9}$/)),
        (name) => {
          const key = validKey(name);
          expect(key).toMatch(/^[\w\-./: ]{1,250}$/);
          // posixpath.normpath(key) == key, and neither "." nor upwards nor absolute
          const steps = key.split('/');
          expect(steps.some((step) => step === '' || step === '.' || step === '..')).toBe(false);
        },
      ),
    );
  });
});
