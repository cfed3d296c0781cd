import { openSpool } from '../../src/store/spool.js';
import { idsOf, stored } from '../support/records.js';

// Puts traces until it is killed; reports each id once `put` has resolved.
const [directory, mode] = process.argv.slice(2) as [string, string];
const spool = await openSpool({ directory, segmentBytes: 20_000 });
const send = (message: object): void => void process.send?.(message);

if (mode === 'put') {
  for (;;) {
    const records = [stored(), stored()];
    await spool.put(records);
    send({ put: idsOf(records) });
  }
}

if (mode === 'exit') {
  const [waiting, last] = [stored(), stored()];
  process.on('exit', () => spool.putSync([last]));
  void spool.put([waiting]);
  process.send?.({ ids: idsOf([waiting, last]) }, () => process.exit(0));
}

if (mode === 'take') {
  // Takes what it can get, acknowledges half of each portion, and reports both.
  for (;;) {
    await spool.adopt();
    const items = await spool.take({ maxItems: 7 });
    if (items.length === 0) {
      send({ idle: true });
      await new Promise((resolve) => setTimeout(resolve, 5));
      continue;
    }
    send({ taken: idsOf(items.map(({ record }) => record)) });
    await spool.ack(items);
    send({ acked: idsOf(items.map(({ record }) => record)) });
  }
}
