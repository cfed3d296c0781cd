import { describe, expect, it, vi } from 'vitest';
import { CryptoIdGenerator } from '../src/provider/ids.js';

describe('ids of traces and spans', () => {
  it('are well-formed, and no two are alike', () => {
    const ids = new CryptoIdGenerator();
    const traceIds = Array.from({ length: 2000 }, () => ids.generateTraceId());
    const spanIds = Array.from({ length: 2000 }, () => ids.generateSpanId());
    expect(traceIds.every((id) => /^[0-9a-f]{32}$/.test(id))).toBe(true);
    expect(spanIds.every((id) => /^[0-9a-f]{16}$/.test(id))).toBe(true);
    expect(new Set([...traceIds, ...spanIds]).size).toBe(4000);
  });

  it('leave Math.random to the program', () => {
    const random = vi.spyOn(Math, 'random');
    const ids = new CryptoIdGenerator();
    ids.generateTraceId();
    ids.generateSpanId();
    expect(random).not.toHaveBeenCalled();
    random.mockRestore();
  });
});
