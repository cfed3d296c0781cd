/** A process of its own: runs the memory load and writes down what it held. `node load.mjs '{"out": …}'` */
import { writeFileSync } from 'node:fs';
import { runMemoryLoad, type Sample } from '../../../bench/lib/memory-load.mjs';

/** What the process under test is asked to do. */
export interface LoadRequest {
  readonly executions: number;
  readonly streams: number;
  readonly samples: number;
  readonly drain: boolean;
  readonly exporter: { readonly maxQueueBytes: number; readonly retryBudgetMs: number };
  /** File for the samples. */
  readonly out: string;
}

const { out, ...request } = JSON.parse(process.argv[2] ?? '') as LoadRequest;
const samples: Sample[] = [];
await runMemoryLoad({ ...request, onSample: (sample) => samples.push(sample) });
writeFileSync(out, JSON.stringify(samples));
// Nobody waits for the streams that were abandoned.
process.exit();
