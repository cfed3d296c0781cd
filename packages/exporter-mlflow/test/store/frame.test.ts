import { describe, expect, it } from 'vitest';
import { decodeRecord, encodeRecord } from '../../src/store/codec.js';
import { encodeFrame, readFrame, scanFrames } from '../../src/store/frame.js';
import { runRecord, spanRecord, stored, traceRecord } from '../support/records.js';

describe('codec', () => {
  it('gives a trace back as it was, nanoseconds and odd text included', () => {
    const trace = traceRecord({ tags: { 'line\nbreak': '\u2028 😀 " \\' } });
    trace.spans.push(
      spanRecord(trace.info.traceId, {
        startTimeUnixNano: 1_795_569_213_293_168_114n,
        attributes: { startTimeUnixNano: '7', list: ['a', 'b'], n: 1.5, b: false },
        events: [
          { name: 'exception', timeUnixNano: 1_795_569_213_293_168_999n, attributes: { a: 1 } },
        ],
        links: [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes: { k: 'v' } }],
      }),
    );
    const { type, json } = encodeRecord({ type: 'trace', value: trace });
    expect(decodeRecord(type, json)).toEqual({ type: 'trace', value: trace });
  });

  it('skips a kind of record that a later release wrote', () => {
    expect(decodeRecord('something-new', '{}')).toBeUndefined();
  });
});

describe('frames', () => {
  const records = [
    stored(),
    { type: 'run' as const, value: runRecord({ key: 'a b:c' }) },
    stored(),
  ];
  const frames = records.map((record) => encodeFrame(record, 1_700_000_000_000));
  const whole = Buffer.concat(frames);

  it('finds every whole line, with its head', () => {
    const { frames: found, consumed, corrupt } = scanFrames(whole);
    expect(consumed).toBe(whole.byteLength);
    expect(corrupt).toBe(0);
    expect(found.map(({ type }) => type)).toEqual(['trace', 'run', 'trace']);
    expect(found[1]).toMatchObject({ key: 'a%20b%3Ac', storedAtMs: 1_700_000_000_000 });
    for (const [i, { offset, length }] of found.entries()) {
      const frame = readFrame(whole.subarray(offset, offset + length));
      expect(frame && decodeRecord(frame.type, frame.json)).toEqual(records[i]);
    }
  });

  it('loses only the last line wherever the tail is torn', () => {
    const last = frames[2] as Buffer;
    const before = whole.byteLength - last.byteLength;
    for (let cut = 1; cut < last.byteLength; cut++) {
      const { frames: found, consumed, corrupt } = scanFrames(whole.subarray(0, before + cut));
      expect([found.length, consumed, corrupt]).toEqual([2, before, 0]);
    }
  });

  it('loses only the line that a flipped byte is in, wherever it is', () => {
    const first = (frames[0] as Buffer).byteLength;
    const middle = (frames[1] as Buffer).byteLength;
    for (let at = first; at < first + middle; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] as number) ^ 0x04;
      const { frames: found } = scanFrames(damaged);
      const types = found.map(({ type }) => type);
      // A flipped line break joins two lines.
      expect(types).toEqual(at === first + middle - 1 ? ['trace'] : ['trace', 'trace']);
    }
  });

  it('goes on after a torn line in the middle', () => {
    const torn = Buffer.concat([
      frames[0] as Buffer,
      (frames[1] as Buffer).subarray(0, 30),
      Buffer.from('\n'),
      frames[2] as Buffer,
    ]);
    const { frames: found, corrupt } = scanFrames(torn);
    expect([found.length, corrupt]).toEqual([2, 1]);
  });
});
