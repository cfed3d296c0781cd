import { AsyncLocalStorage, createHook } from 'node:async_hooks';

/** What can keep a process alive: a timer, a socket. */
interface Holder {
  unref(): void;
  close?(): void;
}

/**
 * Runs `work`, and rejects when it takes longer than `limitMs`. Work that is late goes on, but nothing
 * that it has begun or will begin keeps the process alive: neither a timer nor a socket.
 *
 * Not `process.exit()`: an empty event loop (`beforeExit`) says that nothing of the application is
 * under way at that moment. What its other listeners then begin, and what goes on without keeping the
 * process alive, cannot be asked for, and would be cut off. An exit code that Node finds at the end
 * (13, a top-level `await` that never settles) would be lost. So what is let go is told from everybody
 * else's by the asynchronous context that made it.
 */
export async function withinLimit(limitMs: number, work: () => Promise<void>): Promise<void> {
  const holders = new Holders();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    // Not unref'd: the work may keep nothing alive, and has the time until the limit all the same.
    timer = setTimeout(() => {
      holders.letGo();
      reject(new Error(`not finished within ${limitMs} ms`));
    }, limitMs);
  });
  try {
    await Promise.race([holders.watch(work), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Timers and sockets of one piece of work. */
class Holders {
  readonly #context = new AsyncLocalStorage<true>();
  readonly #holders = new Map<number, Holder>();
  readonly #connecting = new Set<number>();
  #isLetGo = false;
  readonly #hook = createHook({
    init: (id, type, triggerId, resource) => {
      if (this.#context.getStore() === undefined) return;
      const isConnection = type === 'TCPCONNECTWRAP';
      if (isConnection) this.#connecting.add(triggerId);
      const holder = holderOf(resource);
      if (holder !== undefined) this.#holders.set(id, holder);
      // A resource is announced before it is complete.
      if (this.#isLetGo && (isConnection || holder)) queueMicrotask(() => this.letGo());
    },
  });

  async watch(work: () => Promise<void>): Promise<void> {
    this.#hook.enable();
    try {
      await this.#context.run(true, work);
    } finally {
      this.#hook.disable();
    }
  }

  letGo(): void {
    this.#isLetGo = true;
    for (const [id, holder] of this.#holders) {
      try {
        holder.unref();
        // A connection that is being made keeps the process alive even so. Nothing else is closed: the
        // work may have opened what is everybody's, such as the standard output.
        if (this.#connecting.has(id)) holder.close?.();
      } catch {
        // It keeps the process alive then, as long as it would have.
      }
    }
  }
}

function holderOf(resource: Partial<Holder> & { handle?: Partial<Holder> }): Holder | undefined {
  try {
    // A connection that is used again is announced with its socket inside.
    return [resource, resource.handle].find(isHolder);
  } catch {
    // Node ends a process whose hook throws.
    return undefined;
  }
}

function isHolder(resource: Partial<Holder> | undefined): resource is Holder {
  return typeof resource?.unref === 'function';
}
