import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ensureCollector, NoCollectorError } from '../../scripts/lib/collector.mjs';
import { freePort } from '../../scripts/lib/mlflow.mjs';
import { startGroup, tail } from '../../scripts/lib/processes.mjs';

const FILE_CONFIG = fileURLToPath(new URL('./collector/file.yaml', import.meta.url));
const READY_MS = 30_000;

/** An OTLP JSON value, as far as the tests read it. */
export type OtlpValue =
  | { stringValue: string }
  | { intValue: string }
  | { doubleValue: number }
  | { boolValue: boolean }
  | { arrayValue: { values?: OtlpValue[] } };

/** A span as the collector wrote it, its attributes as plain values. */
export interface CollectedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  kind: number;
  attributes: Record<string, unknown>;
  events: { name: string; attributes: Record<string, unknown> }[];
  status: { code: number; message: string };
  resource: Record<string, unknown>;
  scope: string;
}

export interface TestCollector {
  /** OTLP/HTTP base URL; exporters add `/v1/traces`. */
  readonly url: string;
  /** Waits until `count` spans have arrived and returns all of them. */
  spans(count: number, timeoutMs?: number): Promise<CollectedSpan[]>;
  stop(): Promise<void>;
}

/**
 * Path of the collector's executable, built on first use; `undefined` with the reason on stderr where
 * it cannot be had, for `describe.skipIf`.
 */
export async function collectorOrSkip(): Promise<string | undefined> {
  try {
    return await ensureCollector((message) => process.stderr.write(`${message}\n`));
  } catch (error) {
    if (!(error instanceof NoCollectorError)) throw error;
    process.stderr.write(`SKIPPED: ${error.message}\n`);
    return undefined;
  }
}

/** Starts a real collector on a free port that writes what arrives to a file. */
export async function startCollector(executable: string): Promise<TestCollector> {
  const folder = await mkdtemp(join(tmpdir(), 'hokusai-otelcol-'));
  const [otlpPort, healthPort] = [await freePort(), await freePort()];
  const outputFile = join(folder, 'traces.jsonl');
  const logFile = join(folder, 'otelcol.log');
  const group = startGroup(executable, ['--config', FILE_CONFIG], {
    logFile,
    env: {
      ...process.env,
      OTLP_PORT: String(otlpPort),
      HEALTH_PORT: String(healthPort),
      OUTPUT_FILE: outputFile,
    },
  });
  const ready = async () =>
    (await fetch(`http://127.0.0.1:${healthPort}`).catch(() => undefined))?.ok === true;
  for (const deadline = Date.now() + READY_MS; !(await ready()); await sleep(50)) {
    if (group.running() && Date.now() < deadline) continue;
    await group.stop();
    throw new Error(`The collector did not start. The end of its log:\n${tail(logFile)}`);
  }
  return {
    url: `http://127.0.0.1:${otlpPort}`,
    async spans(count, timeoutMs = 10_000) {
      for (const deadline = Date.now() + timeoutMs; ; await sleep(50)) {
        const spans = await readSpans(outputFile);
        if (spans.length >= count) return spans;
        if (Date.now() > deadline) {
          throw new Error(`${spans.length} of ${count} spans arrived:\n${tail(logFile)}`);
        }
      }
    },
    async stop() {
      await group.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface OtlpAttribute {
  key: string;
  value: OtlpValue;
}

interface OtlpTraces {
  resourceSpans?: {
    resource?: { attributes?: OtlpAttribute[] };
    scopeSpans?: {
      scope?: { name?: string };
      spans?: {
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        name: string;
        kind?: number;
        attributes?: OtlpAttribute[];
        events?: { name: string; attributes?: OtlpAttribute[] }[];
        status?: { code?: number; message?: string };
      }[];
    }[];
  }[];
}

async function readSpans(file: string): Promise<CollectedSpan[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  // What follows the last line feed is a batch still being written.
  const lines = text.split('\n').slice(0, -1);
  return lines.flatMap((line) => {
    const { resourceSpans = [] } = JSON.parse(line) as OtlpTraces;
    return resourceSpans.flatMap(({ resource, scopeSpans = [] }) =>
      scopeSpans.flatMap(({ scope, spans = [] }) =>
        spans.map((span) => ({
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId ?? '',
          name: span.name,
          kind: span.kind ?? 0,
          attributes: plain(span.attributes),
          events: (span.events ?? []).map((event) => ({
            name: event.name,
            attributes: plain(event.attributes),
          })),
          status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
          resource: plain(resource?.attributes),
          scope: scope?.name ?? '',
        })),
      ),
    );
  });
}

function plain(attributes: readonly OtlpAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));
}

function plainValue(value: OtlpValue): unknown {
  if ('stringValue' in value) return value.stringValue;
  if ('intValue' in value) return Number(value.intValue);
  if ('doubleValue' in value) return value.doubleValue;
  if ('boolValue' in value) return value.boolValue;
  return (value.arrayValue.values ?? []).map(plainValue);
}
