import { ask } from '../ask.js';
import { DSPY_RUN_ARTIFACTS, DSPY_RUN_METRICS, DSPY_RUN_PARAMS } from '../attributes/dspy.js';
import {
  INPUT_MIME_TYPE,
  INPUT_VALUE,
  MIME_JSON,
  OUTPUT_MIME_TYPE,
  OUTPUT_VALUE,
} from '../attributes/openinference.js';
import { providerOf } from '../attributes/provider.js';
import { readArray, readProperty } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import { serialize } from '../capture/serialize.js';
import { describeSignature } from '../capture/signature.js';
import type { Operation } from '../execution/operation.js';
import { sanitizeInput, sanitizeOutput, WITHHELD } from '../execution/sanitize.js';
import { instructionOf, type Program, signatureOf } from './program.js';

interface Metric {
  readonly key: string;
  readonly value: number;
  readonly step: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

const MAX_POINTS = 500;
const MAX_PARAM_BYTES = 6000;
const MAX_COLUMNS = 100;
const MAX_CELL_BYTES = 16_384;

/** What an evaluation or a compile leaves behind: becomes a run in the exporter (`dspy.run.*`). */
export class RunRecord {
  readonly #params: Record<string, string> = {};
  readonly #metrics = new Map<string, Metric[]>();
  readonly #artifacts: Record<string, string> = {};
  #left: number;
  #cut = false;

  constructor(private readonly operation: Operation) {
    this.#left = operation.settings.artifactBytes;
  }

  param(name: string, value: unknown): void {
    if (value !== undefined) this.#params[name] = safeString(value, MAX_PARAM_BYTES);
  }

  /**
   * `lm_params`, as MLflow's Python integration names it: the model of the service's last call and the
   * numbers and switches it was called with.
   */
  model(service: unknown): void {
    const model = ask(service, 'getLastUsedChatModel');
    if (typeof model !== 'string') return;
    const name = ask(service, 'getName');
    const config = Object.entries(ask(service, 'getLastUsedModelConfig') ?? {}).filter(
      ([, value]) => typeof value === 'number' || typeof value === 'boolean',
    );
    this.param(
      'lm_params',
      JSON.stringify({
        model,
        ...(typeof name === 'string' && { provider: providerOf(name).genAi }),
        ...Object.fromEntries(config),
      }),
    );
  }

  /** A value that is no finite number is left out: some servers cannot show the run with it. */
  metric(key: string, value: unknown, step = 0): void {
    if (typeof value !== 'number' || !Number.isFinite(value)) return;
    const points = this.#metrics.get(key) ?? [];
    this.#metrics.set(key, points);
    points.push({ key, value, step, timestamp: Date.now() });
    // A long curve keeps its shape with half of its points, and its last one.
    if (points.length > MAX_POINTS) {
      points.splice(0, points.length, ...points.filter((_, index) => index % 2 === 0));
    }
  }

  /** The latest value of a metric. */
  latest(key: string): number | undefined {
    return this.#metrics.get(key)?.at(-1)?.value;
  }

  /** A file with the JSON of a value. */
  json(file: string, value: unknown): void {
    const { json, truncated } = serialize(value, this.#options(this.#left >> 1));
    this.#add(file, json, truncated);
  }

  /**
   * A file in MLflow's table format, `{ columns, data }`, with a row for each object. Rows are taken as far as the budget goes.
   * When one of them throws there is no file: what follows might have been private.
   *
   * @returns Whether there is a file.
   */
  table(file: string, rows: Iterable<Readonly<Record<string, unknown>>>): boolean {
    const columns: string[] = [];
    const data: string[][] = [];
    // Half: the text of a file is a string in JSON, where every quote takes two bytes.
    let left = this.#left >> 1;
    let cut = false;
    try {
      for (const row of rows) {
        for (const name of Object.keys(row)) {
          if (!columns.includes(name) && columns.length < MAX_COLUMNS) columns.push(name);
        }
        const cells = columns.map((name) => this.#cell(row[name]));
        for (const { json, truncated } of cells) {
          left -= Buffer.byteLength(json) + 1;
          cut ||= truncated;
        }
        if (left < 0) {
          cut = true;
          break;
        }
        data.push(cells.map(({ json }) => json));
      }
    } catch {
      return false;
    }
    const lines = data.map((cells) => {
      // A column that was met later has no value in the rows before.
      while (cells.length < columns.length) cells.push('null');
      return `[${cells.join(',')}]`;
    });
    this.#add(file, `{"columns":${serialize(columns).json},"data":[${lines.join(',')}]}`, cut);
    return true;
  }

  /** Puts the run on the span. */
  write(): void {
    const { operation } = this;
    operation.attributes[DSPY_RUN_PARAMS] = JSON.stringify(this.#params);
    const metrics = [...this.#metrics.values()].flat();
    if (metrics.length > 0) operation.attributes[DSPY_RUN_METRICS] = JSON.stringify(metrics);
    if (Object.keys(this.#artifacts).length > 0) {
      operation.attributes[DSPY_RUN_ARTIFACTS] = JSON.stringify(this.#artifacts);
    }
    if (this.#cut) operation.markTruncated(DSPY_RUN_ARTIFACTS);
  }

  #cell(value: unknown): { json: string; truncated: boolean } {
    return value === undefined
      ? { json: 'null', truncated: false }
      : serialize(value, this.#options(MAX_CELL_BYTES));
  }

  #options(maxBytes: number) {
    return { ...this.operation.inherited.serialize, maxBytes };
  }

  #add(file: string, text: string, cut: boolean): void {
    const bytes = Buffer.byteLength(JSON.stringify(text)) + file.length + 4;
    if (cut || bytes > this.#left) this.#cut = true;
    if (bytes > this.#left) return;
    this.#left -= bytes;
    this.#artifacts[file] = text;
  }
}

/**
 * What went into a run and what came out, in counts and names: no program's values, so that no sanitizer of these is asked.
 */
export function recordSummary(operation: Operation, summary: { in?: object; out?: object }): void {
  const { attributes } = operation;
  if (summary.in !== undefined && operation.recordsInputs) {
    operation.json(INPUT_VALUE, summary.in);
    attributes[INPUT_MIME_TYPE] = MIME_JSON;
  }
  if (summary.out !== undefined && operation.recordsOutputs) {
    operation.json(OUTPUT_VALUE, summary.out);
    attributes[OUTPUT_MIME_TYPE] = MIME_JSON;
  }
}

/** Data sets and programs are content of both directions: they are recorded only where both are. */
export function recordsContent({ recordsInputs, recordsOutputs }: Operation): boolean {
  return recordsInputs && recordsOutputs;
}

/** What a sanitizer removed of one row holds for that row. */
export type Row = Pick<Operation, 'settings' | 'inherited'>;

export function rowOf({ settings, inherited }: Operation): Row {
  return { settings, inherited };
}

/**
 * The rows of a data set as the user's sanitizers leave them: their fields are a program's inputs and outputs.
 *
 * @throws Error where a sanitizer failed: none of the rows may be recorded.
 */
export function* cleanExamples(
  operation: Operation,
  examples: unknown,
): Generator<Readonly<Record<string, unknown>>> {
  for (const example of readArray(examples)) {
    yield recordable(cleanExample(rowOf(operation), example)) as Record<string, unknown>;
  }
}

/** One row of {@link cleanExamples}, or `WITHHELD`. */
export function cleanExample(row: Row, example: unknown): object | typeof WITHHELD {
  const inputs = sanitizeInput(row, example);
  const clean = inputs === WITHHELD ? WITHHELD : sanitizeOutput(row, inputs);
  if (clean === WITHHELD) return WITHHELD;
  return clean !== null && typeof clean === 'object' ? clean : {};
}

/** @throws Error for what is withheld. */
export function recordable<T>(clean: T | typeof WITHHELD): T {
  if (clean === WITHHELD) throw new Error('a sanitizer failed');
  return clean as T;
}

/** `true` when the user has what leaves the process sanitized: what cannot be, is then left out. */
export function isSanitized({ settings }: Operation): boolean {
  return settings.inputSanitizer !== undefined || settings.outputSanitizer !== undefined;
}

/** What of a program decides how it answers. Content. */
export function stateOfProgram(operation: Operation, program: Program | undefined): object {
  if (program === undefined) return {};
  const signature = operation.settings.signatures
    ? describeSignature(signatureOf(program))
    : undefined;
  const demos = readArray(readProperty(program, 'demos'));
  const instruction = instructionOf(program);
  return {
    ...(signature === undefined
      ? {}
      : { signature: signature.text, fields: JSON.parse(signature.fields) as unknown }),
    ...(instruction === undefined ? {} : { instruction }),
    ...(!isSanitized(operation) && demos.length > 0 ? { demos } : {}),
  };
}
