// The attributes that one call of the program leaves on its two spans, for spans written by hand.
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-base';
import { tracing } from './lib/arms.mjs';
import { bothCopies } from './lib/ax.mjs';
import { call, mockProgram } from './lib/programs.mjs';

const { esm } = await bothCopies();
const exporter = new InMemorySpanExporter();
const { settle } = tracing(exporter);
new DspyInstrumentation().manuallyInstrument(esm);
await call(mockProgram(esm));
await settle();
const [chat, program] = exporter.getFinishedSpans();
process.stdout.write(JSON.stringify({ chat: chat.attributes, program: program.attributes }));
process.exit(0);
