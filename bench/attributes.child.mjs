// The attributes that one call of the program leaves on its two spans, for spans written by hand.
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { tracing } from './lib/arms.mjs';
import { bothCopies } from './lib/ax.mjs';
import { call, mockProgram } from './lib/programs.mjs';

const { esm } = await bothCopies();
const spans = [];
const { settle } = tracing({
  export: (batch, done) => {
    spans.push(...batch);
    done({ code: 0 });
  },
  shutdown: async () => {},
  forceFlush: async () => {},
});
new DspyInstrumentation().manuallyInstrument(esm);
await call(mockProgram(esm));
await settle();
const [chat, program] = spans;
process.stdout.write(JSON.stringify({ chat: chat.attributes, program: program.attributes }));
process.exit(0);
