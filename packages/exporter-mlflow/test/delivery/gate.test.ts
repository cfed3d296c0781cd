import { expect, it } from 'vitest';
import { Gate } from '../../src/delivery/gate.js';

it('backs off from a server that asks for no wait', () => {
  // The longest wait of each range.
  const waits = (retryAfterMs?: number) => {
    const gate = new Gate(() => 1);
    let now = 0;
    return [1, 2, 3, 4].map(() => {
      gate.failed(now, retryAfterMs);
      const wait = gate.wait(now);
      now += wait;
      return wait;
    });
  };
  expect(waits()).toEqual([500, 1000, 2000, 4000]);
  expect(waits(0)).toEqual([500, 1000, 2000, 4000]);
  expect(waits(1500)).toEqual([1500, 1500, 2000, 4000]);
});
