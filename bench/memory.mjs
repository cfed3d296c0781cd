// `node --expose-gc bench/memory.mjs [--executions 1000000] [--streams 100000]`: heap and handles over many
// executions, and over streams that nobody reads to their end, with a server that is dead the whole time.
import { parseArgs } from 'node:util';
import { runMemoryLoad } from './lib/memory-load.mjs';

const { values } = parseArgs({
  options: {
    executions: { type: 'string', default: '1000000' },
    streams: { type: 'string', default: '100000' },
  },
});
const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

await runMemoryLoad({
  executions: Number(values.executions),
  streams: Number(values.streams),
  samples: 10,
  onSample: ({ load, done, heapBytes, rssBytes, handles, spansHeld, bytesHeld, dropped }) =>
    console.log(
      `${load} ${done}: heap ${mb(heapBytes)}, rss ${mb(rssBytes)}, handles ${handles}, held ${spansHeld} spans ${mb(bytesHeld)}, dropped ${JSON.stringify(dropped)}`,
    ),
});
process.exit(0);
