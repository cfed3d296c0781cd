import { isMainThread } from 'node:worker_threads';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** What our listeners bear, of whichever package and copy: none of them waits for another to end the process. */
const OURS = Symbol.for('@hokusai/instrumentation-dspy ends the process');

/** What is done when a signal asks the process to end. Nothing of it rejects or throws. */
export interface SignalActions {
  /** The application listens too, so ending is its decision: delivery only begins. */
  begin(): unknown;
  /** Nobody else listens: the signal does its work when this resolves. */
  deliver(): Promise<void>;
  /** The last thing before the signal does its work. */
  keep?(): void;
}

/** Acts at SIGTERM and SIGINT, and leaves to the application what it handles. */
export function onEndingSignals(actions: SignalActions): void {
  // Signals reach the main thread alone.
  if (isMainThread) for (const signal of SIGNALS) listen(signal, actions);
}

function listen(signal: NodeJS.Signals, { begin, deliver, keep }: SignalActions): void {
  let delivering = false;
  let hasLeft = false;
  const noteLeaving = (event: string | symbol, listener: object) => {
    if (event !== signal || isOurs(listener)) return;
    hasLeft = true;
    // All listeners of a signal are called in one go, and a later signal is another.
    queueMicrotask(() => {
      hasLeft = false;
    });
  };
  const listener = () => {
    if (hasLeft || isHandledByOthers(signal)) return void begin();
    // Somebody is impatient: what is left is kept, not waited for.
    if (delivering) return end();
    delivering = true;
    void deliver().then(end);
  };
  const end = () => {
    keep?.();
    process.removeListener('removeListener', noteLeaving);
    process.removeListener(signal, listener);
    // Where another of ours still delivers, it is the one that ends.
    if (!process.listeners(signal).some(isOurs)) process.kill(process.pid, signal);
  };
  Object.defineProperty(listener, OURS, { value: true });
  // First, so that `once` listeners of the application are still there to be seen. One that it puts
  // before us is gone when we are called, but has been seen to leave.
  process.prependListener(signal, listener);
  process.on('removeListener', noteLeaving);
}

function isOurs(listener: object): boolean {
  return OURS in listener;
}

interface SignalExitEmitter {
  count?: number;
}

/**
 * `true` when the application listens for the signal. The `signal-exit` library, which many packages
 * bring along, listens too but only ends a process that nobody else listens for; left out here, or each
 * of us would wait for the other.
 */
function isHandledByOthers(signal: NodeJS.Signals): boolean {
  const others = process.listeners(signal).filter((listener) => !isOurs(listener)).length;
  const emitters = [
    (globalThis as Record<symbol, unknown>)[Symbol.for('signal-exit emitter')],
    (process as unknown as Record<string, unknown>).__signal_exit_emitter__,
  ] as (SignalExitEmitter | undefined)[];
  const signalExit = emitters.reduce((sum, emitter) => sum + (emitter?.count ?? 0), 0);
  return others > signalExit;
}
