/**
 * A process of its own, built with probes: makes every function of the exporter throw in turn while it
 * delivers. `node delivery.mjs '{"folder": …, "out": …}'`
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ExporterStats,
  MlflowSpanExporter,
  type MlflowSpanExporterOptions,
} from '@hokusai/exporter-mlflow';
import {
  type FakeMlflow,
  startFakeMlflow,
} from '../../../packages/exporter-mlflow/test/support/fake-mlflow.js';
import {
  chatSpan,
  makeSpan,
  programSpan,
} from '../../../packages/exporter-mlflow/test/support/spans.js';
import { Fault } from './globals.js';
import type { DeliveryOutcome, DeliveryReport, DeliveryRequest } from './report.js';

const request = JSON.parse(process.argv[2] ?? '') as DeliveryRequest;
const LIMIT_MS = 2_000;

let unhandled: string[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(`unhandled rejection: ${reason}`));
process.on('uncaughtException', (error) => unhandled.push(`uncaught: ${error}`));
console.warn = () => {};

let folders = 0;
const newFolder = () => join(request.folder, String(folders++));
const server = await startFakeMlflow();
const oldServer: FakeMlflow = await startFakeMlflow();
oldServer.version = '3.10.0';

/** Ways that spans take, each through other functions. */
const DESTINATIONS: Readonly<Record<string, () => MlflowSpanExporterOptions>> = {
  'a server': () => ({ trackingUri: server.url, metadata: { team: 'x' }, tags: { env: 'test' } }),
  'an older server': () => ({ trackingUri: oldServer.url, username: 'u', password: 'p' }),
  'the local store': () => ({ trackingUri: `file:${newFolder()}` }),
  'the spool': () => ({ trackingUri: 'http://127.0.0.1:9', spool: newFolder() }),
};

/** A trace with everything in it that is mapped in a way of its own. */
function spans() {
  const program = programSpan('QA', {
    attributes: {
      'session.id': 's-1',
      'user.id': 'u-1',
      metadata: '{"version":2}',
      'tag.tags': ['team:x'],
      'dspy.tag.team': 'x',
      'dspy.run_id': 'r'.repeat(32),
      'dspy.experiment': 'own',
    },
  });
  const failed = makeSpan({
    parent: program,
    name: 'execute_tool lookUp',
    error: 'no',
    attributes: {
      'openinference.span.kind': 'TOOL',
      'tool.name': 'lookUp',
      'input.value': `{"key":"${'k'.repeat(40_000)}\u0000\ud83d"}`,
      'input.mime_type': 'application/json',
    },
    events: [
      {
        name: 'exception',
        time: [1, 1],
        attributes: {
          'exception.type': 'E',
          'exception.message': 'no',
          'exception.stacktrace': 's',
        },
      },
    ],
  });
  const score = makeSpan({
    parent: program,
    name: 'evaluate exactMatch',
    attributes: {
      'openinference.span.kind': 'EVALUATOR',
      'gen_ai.evaluation.name': 'exactMatch',
      'gen_ai.evaluation.score.value': 1,
    },
  });
  const evaluation = programSpan('evaluation', {
    attributes: {
      'dspy.run.kind': 'evaluation',
      'dspy.run.params': '{"a":"1"}',
      'dspy.run.metrics': '[{"key":"score","value":1,"step":0,"timestamp":1}]',
      'dspy.run.artifacts': '{"result_table.json":"{}"}',
      'dspy.run.trace_ids': [program.spanContext().traceId],
    },
  });
  return [chatSpan(program), failed, score, program, evaluation];
}

const functions = new Set<string>();
const outcomes: DeliveryOutcome[] = [];
for (const destination of Object.keys(DESTINATIONS)) {
  const reached = new Set<string>();
  __probes.enter = (id) => reached.add(id);
  outcomes.push(await deliver(destination, ''));
  __probes.enter = () => {};
  for (const id of reached) {
    if (functions.has(id)) continue;
    functions.add(id);
    if (request.only !== undefined && !id.includes(request.only)) continue;
    __probes.enter = (entered) => {
      if (entered === id) throw new Fault();
    };
    outcomes.push(await deliver(destination, id));
    __probes.enter = () => {};
  }
}
const report: DeliveryReport = { functions: [...functions], outcomes };
writeFileSync(request.out, JSON.stringify(report));
process.exit();

async function deliver(destination: string, id: string): Promise<DeliveryOutcome> {
  unhandled = [];
  const begun = performance.now();
  const given = spans();
  let callbacks = 0;
  let exporter: MlflowSpanExporter | undefined;
  const hung: string[] = [];
  const within = async (what: string, work: Promise<unknown> | undefined): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(() => resolve('late'), LIMIT_MS);
    });
    if ((await Promise.race([work, late])) === 'late') hung.push(what);
    clearTimeout(timer);
  };
  try {
    exporter = new MlflowSpanExporter({
      ...DESTINATIONS[destination]?.(),
      retryBudgetMs: 100,
      shutdownTimeoutMs: 100,
    });
    const sending = exporter;
    const exported = new Promise<void>((resolve) => {
      sending.export(given, () => {
        callbacks++;
        resolve();
      });
    });
    await within('export', exported);
    await within('forceFlush', exporter.forceFlush());
    exporter.flushSync();
    await within('shutdown', exporter.shutdown());
  } catch (error) {
    unhandled.push(`thrown: ${error}`);
  }
  await new Promise((resolve) => setImmediate(resolve));
  const stats = statsOf(exporter);
  const lost = Object.values(stats?.dropped ?? {}).reduce((sum, count) => sum + count, 0);
  return {
    id,
    destination,
    callbacks,
    hung,
    unhandled,
    unaccounted:
      stats === undefined
        ? 0
        : stats.received - stats.sent - stats.spooled - stats.held - stats.folded - lost,
    lost,
    milliseconds: Math.round(performance.now() - begun),
  };
}

function statsOf(exporter: MlflowSpanExporter | undefined): ExporterStats | undefined {
  try {
    return exporter?.stats();
  } catch (error) {
    unhandled.push(`thrown by stats: ${error}`);
    return undefined;
  }
}
