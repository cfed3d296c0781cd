import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startMockModel } from '../../support/mock-model.js';
import { bundle } from '../support/bundle.js';
import { runChild } from '../support/process.js';
import { replyTo } from './replies.js';
import type { PrivacyRequest, Tracing } from './request.js';
import { FAILING, SCENARIOS } from './scenarios.js';
import { type Answering, startSink } from './sink.js';

/** Bytes by where they went: `mlflow`, `otlp`, `webhook` and the `… head` of each, `stdout`, `stderr`, `store`, `spool`. */
export type Traces = Readonly<Record<string, Buffer>>;

/** Runs all scenarios in a process of its own and returns every byte that left it. */
export async function runTraced(tracing: Tracing, env: Record<string, string>): Promise<Traces> {
  const model = await startMockModel({ script: replyTo, chunkSize: 6 });
  try {
    const { ends, traces } = await runIn(
      'privacy/program.ts',
      { tracing, model: model.apiURL },
      env,
    );
    expect(ends).toEqual(expectedEnds());
    return traces;
  } finally {
    await model.stop();
  }
}

const programs = new Map<string, Promise<string>>();

function built(program: string): Promise<string> {
  const known = programs.get(program) ?? bundle(program);
  programs.set(program, known);
  return known;
}

/** Runs a program that is told where to send and to store; returns what it writes down, and every byte that left it. */
export async function runIn(
  program: string,
  request: object,
  env: Record<string, string>,
  answering?: Answering,
): Promise<{ ends: unknown; traces: Traces }> {
  const folder = mkdtempSync(join(tmpdir(), 'privacy-'));
  const sink = await startSink(answering);
  try {
    const out = join(folder, 'ends.json');
    const data = join(folder, 'data');
    mkdirSync(data);
    const urls: PrivacyRequest['urls'] = {
      mlflow: `${sink.url}/mlflow`,
      otlp: `${sink.url}/otlp`,
      webhook: `${sink.url}/webhook`,
      model: `${sink.url}/model/v1`,
    };
    const { code, stdout, stderr } = await runChild(
      await built(program),
      { ...request, urls, folder: data, out },
      {
        HOME: data,
        OTEL_LOG_LEVEL: 'ALL',
        OTEL_EXPORTER_OTLP_ENDPOINT: urls.otlp,
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
        ...env,
      },
    );
    expect(code, stderr.slice(-2_000)).toBe(0);
    const sent = [...sink.received].map(([name, parts]) => [name, Buffer.concat(parts)] as const);
    return {
      ends: JSON.parse(readFileSync(out, 'utf8')),
      traces: {
        ...Object.fromEntries(sent),
        stdout: Buffer.from(stdout),
        stderr: Buffer.from(stderr),
        store: bytesBelow(join(data, 'store')),
        spool: bytesBelow(join(data, 'spool')),
        elsewhere: bytesBelow(data, ['store', 'spool']),
      },
    };
  } finally {
    await sink.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const expectedEnds = () =>
  Object.fromEntries(
    Object.keys(SCENARIOS).map((name) => [name, FAILING.includes(name) ? 'threw' : 'returned']),
  );

/** Names and bytes of all files in a folder. */
function bytesBelow(folder: string, except: readonly string[] = []): Buffer {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return Buffer.concat(
      entries
        .filter(({ name }) => !except.includes(name))
        .flatMap((entry) => {
          const path = join(folder, entry.name);
          const bytes = entry.isDirectory() ? bytesBelow(path) : readFileSync(path);
          return [Buffer.from(`${entry.name}\n`), bytes];
        }),
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}
