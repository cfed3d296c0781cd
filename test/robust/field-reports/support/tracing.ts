import * as ax from '@ax-llm/ax';
import type { DspyInstrumentationConfig } from '@hokusai/instrumentation-dspy';
import { type DiagLogger, diag } from '@opentelemetry/api';
import type { ReadableSpan, TracerConfig } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { diagnostics } from '../../../../packages/instrumentation-dspy/src/diagnostics.js';
import { isAnyUnderWay } from '../../../../packages/instrumentation-dspy/src/execution/operation.js';
import {
  startTracing,
  type Tracing,
} from '../../../../packages/instrumentation-dspy/test/support/tracing.js';

export interface Traced {
  readonly tracing: Tracing;
  /** What tracing and OpenTelemetry said since the test began. */
  readonly said: string[];
}

/**
 * An instrumented Ax for the tests of a file, with everything that is said collected. After each test
 * nothing is under way and no fault of ours was caught.
 */
export function useTracing(
  config: DspyInstrumentationConfig = {},
  tracerConfig: TracerConfig = {},
): Traced {
  const said: string[] = [];
  let tracing: Tracing | undefined;
  beforeAll(() => {
    diag.setLogger(collector(said), { suppressOverrideMessage: true });
    tracing = startTracing([ax], config, tracerConfig);
  });
  afterEach(() => {
    tracing?.instrumentation.setConfig(config);
    tracing?.reset();
    said.length = 0;
    expect(diagnostics.count()).toBe(0);
    expect(isAnyUnderWay()).toBe(false);
    diagnostics.reset();
  });
  afterAll(async () => {
    await tracing?.stop();
    diag.disable();
  });
  return {
    get tracing() {
      if (tracing === undefined) throw new Error('before the first test');
      return tracing;
    },
    said,
  };
}

/** Warnings and errors, as a logger of the application gets them. */
export function collector(said: string[]): DiagLogger {
  const say = (...words: unknown[]): void => void said.push(words.map(String).join(' '));
  const nothing = (): void => {};
  return { error: say, warn: say, info: nothing, debug: nothing, verbose: nothing };
}

/** Every text in finished spans: names, keys, values, events, links, status. */
export function textsOf(spans: readonly ReadableSpan[]): string[] {
  const texts: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === 'string') texts.push(value);
    else if (Array.isArray(value)) for (const item of value) collect(item);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        texts.push(key);
        collect(item);
      }
    }
  };
  for (const { name, attributes, events, links, status } of spans) {
    collect([name, attributes, status, links.map((link) => link.attributes)]);
    for (const event of events) collect([event.name, event.attributes]);
  }
  return texts;
}

export const SIGNATURE = 'questionText:string -> answerText:string';
export const QUESTION = Object.freeze({ questionText: 'two plus two?' });
