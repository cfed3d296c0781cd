// `npm run bench`: every comparison in a process of its own, a table on the terminal and
// bench/results.json. `npm run bench -- --quick` takes fewer pairs; `-- overhead` one section.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { spread } from './lib/stats.mjs';
import { bundleSizes, startup } from './startup.mjs';

const { values: flags, positionals: only } = parseArgs({
  options: { quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const PAIRS = flags.quick ? 60 : 200;
const ROUNDS = flags.quick ? 1 : 3;
const wanted = (section) => only.length === 0 || only.includes(section);
const at = (path) => fileURLToPath(new URL(path, import.meta.url));

function child(file, argument) {
  const run = spawnSync(process.execPath, ['--expose-gc', at(file), JSON.stringify(argument)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (run.status !== 0)
    throw new Error(`${file} ${JSON.stringify(argument)} ended with ${run.status}`);
  return JSON.parse(run.stdout.trim().split('\n').at(-1));
}

/** Median over processes of each figure; the spread of `ratio` is that of the processes. */
function rounds(file, argument) {
  const results = Array.from({ length: ROUNDS }, () => child(file, argument));
  const middle = Object.fromEntries(
    Object.keys(results[0]).map((key) => [key, spread(results.map((r) => r[key])).median]),
  );
  return { ...middle, processes: results };
}

const OVERHEAD = {
  'overhead.fullVsBare': { arm: {}, against: 'bare', target: 1.06 },
  'overhead.genAiVsBare': { arm: { config: { conventions: ['gen_ai'] } }, against: 'bare' },
  'overhead.sameAttributesVsBare': { arm: { hand: { attributes: true } }, against: 'bare' },
  'overhead.full': { arm: {}, against: 'untraced' },
  'overhead.bare': { arm: { hand: {} }, against: 'untraced' },
  'overhead.sampled10': {
    arm: { config: { samplingRate: 0.1 } },
    against: 'untraced',
    target: 1.03,
  },
  'overhead.bareSampled10': { arm: { hand: { rate: 0.1 } }, against: 'untraced' },
  'overhead.unsampled': { arm: { config: { samplingRate: 0 } }, against: 'untraced', target: 1.01 },
  'overhead.disabled': { arm: { config: { enabled: false } }, against: 'untraced', target: 1.005 },
  'overhead.disabledLater': { arm: { disable: true }, against: 'untraced' },
  'overhead.fullExport': { arm: { exporter: 'mlflow' }, against: 'untraced' },
  'overhead.fullExportStockOtlp': { arm: { exporter: 'otlp' }, against: 'untraced' },
  'overhead.http5ms.bare': { arm: { model: 'http', hand: {} }, against: 'untraced' },
  'overhead.http5ms.full': { arm: { model: 'http' }, against: 'untraced', target: 1.01 },
  'overhead.http5ms.sampled10': {
    arm: { model: 'http', config: { samplingRate: 0.1 } },
    against: 'untraced',
    target: 1.002,
  },
};
const TRACERS = [
  'hokusai',
  'ax native',
  'otel spans',
  'openinference',
  'langfuse',
  'naive JSON.stringify',
];
const INPUTS = ['100 B', '10 kB', '1 MB', '1 MB typed array'];

const results = {
  when: new Date().toISOString(),
  machine: {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
  },
};
const show = (number, digits = 3) => (number === undefined ? '' : number.toFixed(digits));

if (wanted('overhead')) {
  results.overhead = {};
  const table = {};
  for (const [name, { arm, against, target }] of Object.entries(OVERHEAD)) {
    const pairs = arm.model ? Math.ceil(PAIRS / 2) : PAIRS;
    const result = rounds('./overhead.child.mjs', { arm, against, pairs });
    results.overhead[name] = { ...result, target };
    table[name] = {
      ratio: show(result.ratio),
      quartiles: `${show(result.p25)}–${show(result.p75)}`,
      'A/A': show(result.aa),
      target: target === undefined ? '' : `≤ ${target}`,
      'µs traced': show(result.tracedMicros, 1),
      'µs baseline': show(result.baselineMicros, 1),
    };
  }
  console.table(table);
}

if (wanted('peers')) {
  results.peers = {};
  for (const recorded of [true, false]) {
    const table = {};
    for (const tracer of TRACERS) {
      table[tracer] = {};
      for (const input of INPUTS) {
        const pairs = Math.ceil(PAIRS / (input.startsWith('1 MB') ? 4 : 1));
        const result = child('./peers.child.mjs', { tracer, input, recorded, pairs });
        results.peers[`${recorded ? 'recorded' : 'unsampled'} · ${input} · ${tracer}`] = result;
        table[tracer][input] = `${show(result.addedMicros, 1)} µs`;
      }
    }
    process.stdout.write(`Added per call, ${recorded ? 'recorded' : 'unsampled'}:\n`);
    console.table(table);
  }
}

if (wanted('streams')) {
  results.streams = rounds('./streams.child.mjs', { pairs: PAIRS });
  const { processes, ...row } = results.streams;
  console.table({ 'stream, per chunk': row });
}

if (wanted('exporter')) {
  results.exporter = {};
  for (const spans of flags.quick ? [1_000, 10_000] : [1_000, 10_000, 100_000])
    for (const exporter of ['mlflow', 'otlp']) {
      const { processes, ...row } = rounds('./exporter.child.mjs', { exporter, spans });
      results.exporter[`${exporter} ${spans}`] = row;
    }
  console.table(results.exporter);
}

if (wanted('startup')) {
  results.startupMillis = startup(flags.quick ? 3 : 9);
  results.bundles = await bundleSizes();
  console.table(results.startupMillis);
  console.table(results.bundles);
}

if (only.length === 0) writeFileSync(at('./results.json'), `${JSON.stringify(results, null, 2)}\n`);
