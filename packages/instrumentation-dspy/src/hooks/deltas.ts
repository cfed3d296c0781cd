/** A value that a streaming generator yields. */
interface Delta {
  readonly version?: unknown;
  readonly index?: unknown;
  readonly delta?: Readonly<Record<string, unknown>>;
}

/**
 * Puts together what a streaming generator yields, the way Ax's own consumers do: text and arrays
 * grow, other values are replaced, and a new version discards what came before (Ax corrects itself).
 */
export class DeltaCollector {
  /** `true` when the text grew beyond what will be recorded. */
  truncated = false;
  #version: unknown;
  #samples = new Map<unknown, Record<string, unknown>>();
  #size = 0;

  /** @param maxSize UTF-16 units of text and items of arrays to keep. */
  constructor(private readonly maxSize: number) {}

  add(yielded: Delta): void {
    const delta = yielded?.delta;
    if (typeof delta !== 'object' || delta === null) return;
    if (yielded.version !== this.#version) this.#reset(yielded.version);
    let values = this.#samples.get(yielded.index);
    if (values === undefined) {
      values = {};
      this.#samples.set(yielded.index, values);
    }
    for (const name of Object.keys(delta)) this.#merge(values, name, delta[name]);
  }

  /** The outputs so far: of the one sample, or a list of all. `undefined` when nothing came. */
  value(): unknown {
    if (this.#samples.size === 0) return undefined;
    const samples = [...this.#samples.values()];
    return samples.length === 1 ? samples[0] : samples;
  }

  #merge(values: Record<string, unknown>, name: string, value: unknown): void {
    const before = Object.hasOwn(values, name) ? values[name] : undefined;
    const grows = typeof value === 'string' || Array.isArray(value);
    if (grows) this.#size += value.length;
    if (this.#size > this.maxSize && before !== undefined) {
      this.truncated = true;
    } else if (typeof value === 'string' && typeof before === 'string') {
      values[name] = before + value;
    } else if (Array.isArray(value) && Array.isArray(before)) {
      before.push(...value);
    } else {
      values[name] = Array.isArray(value) ? [...value] : value;
    }
  }

  #reset(version: unknown): void {
    this.#version = version;
    this.#samples.clear();
    this.#size = 0;
    this.truncated = false;
  }
}
