import { diagnostics } from '../diagnostics.js';

/** What is to be told that the object it belongs to was collected. Must not refer to that object. */
export interface Orphan {
  orphan(): void;
}

const registry = new FinalizationRegistry<Orphan>((orphan) => {
  try {
    orphan.orphan();
  } catch (fault) {
    diagnostics.fault('abandoned', fault);
  }
});

/** Has `orphan` told when `object` is collected. */
export function watch(object: object, orphan: Orphan): void {
  registry.register(object, orphan, orphan);
}

/** Ends the watch: the object ended in another way. */
export function unwatch(orphan: Orphan): void {
  registry.unregister(orphan);
}
