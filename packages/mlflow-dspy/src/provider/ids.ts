import { randomFillSync } from 'node:crypto';
import type { IdGenerator } from '@opentelemetry/sdk-trace-base';

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
/** Ids of some hundred spans: the cost of a call to the system is theirs together. */
const POOL_BYTES = 4096;

/**
 * Random ids. Not the SDK's own generator, which draws from `Math.random`: a program that seeds it (an
 * optimizer that picks examples) would go another way with tracing than without.
 */
export class CryptoIdGenerator implements IdGenerator {
  readonly #pool = Buffer.allocUnsafe(POOL_BYTES);
  #position = POOL_BYTES;

  /** 32 hex characters, not all zero. */
  generateTraceId(): string {
    return this.#take(TRACE_ID_BYTES);
  }

  /** 16 hex characters, not all zero. */
  generateSpanId(): string {
    return this.#take(SPAN_ID_BYTES);
  }

  #take(bytes: number): string {
    if (this.#position + bytes > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#position = 0;
    }
    const start = this.#position;
    this.#position += bytes;
    const id = this.#pool.toString('hex', start, this.#position);
    // All zero means no id: W3C Trace Context, 3.2.2.3.
    return /[1-9a-f]/.test(id) ? id : this.#take(bytes);
  }
}
