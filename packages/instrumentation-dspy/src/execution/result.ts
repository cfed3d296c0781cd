import { diagnostics } from '../diagnostics.js';
import type { Method } from '../hooks/types.js';
import { givesNewPromise } from './fresh.js';

type OnValue = (value: unknown) => void;

/**
 * Tells what comes of a call, without a change for who receives it.
 *
 * - A plain promise that nobody else has yet is passed on with the observers in between, so that
 *   a rejection nobody handles stays an unhandled rejection.
 * - Any other promise is returned as it is and observed on the side: it may be handled already, so that a
 *   promise derived from it would be the unhandled one, and it may be handed out again or compared. A
 *   rejection of it that nobody handles goes unnoticed then; that is the smaller harm.
 * - A thenable of its own kind may do its work only once `then` is called: it is observed when the
 *   receiver calls it, and never by us.
 *
 * @param method What gave the result; `undefined` where the receiver is known to handle a promise.
 * @returns What the receiver of the call gets: `result` itself but for a promise that is passed on.
 */
export function observe(
  result: unknown,
  method: Method | undefined,
  onValue: OnValue,
  onError: OnValue,
): unknown {
  try {
    if (!isThenable(result)) {
      onValue(result);
    } else if (method !== undefined && givesNewPromise(method) && isPlainPromise(result)) {
      return passOnPromise(result, onValue, onError);
    } else if (result instanceof Promise && result.then === Promise.prototype.then) {
      follow(result, onValue, onError);
    } else {
      observeWhenRead(result, onValue, onError);
    }
  } catch (fault) {
    diagnostics.fault('observe', fault);
  }
  return result;
}

function passOnPromise(
  promise: Promise<unknown>,
  onValue: OnValue,
  onError: OnValue,
): Promise<unknown> {
  return promise.then(
    (value) => {
      tell(onValue, value);
      return value;
    },
    (error: unknown) => {
      tell(onError, error);
      throw error;
    },
  );
}

/** Looks on at a promise that someone else handles. */
export function follow(promise: Promise<unknown>, onValue: OnValue, onError: OnValue): void {
  promise.then(
    (value) => tell(onValue, value),
    (error: unknown) => tell(onError, error),
  );
}

/** {@link follow} for who wants to know of a failure alone. */
export function followFailure(promise: Promise<unknown>, onError: OnValue): void {
  promise.then(undefined, (error: unknown) => tell(onError, error));
}

/** Nothing that an observer throws may reach who receives the result. */
export function tell<T>(observer: (value: T) => void, value: T): void {
  try {
    observer(value);
  } catch (fault) {
    diagnostics.fault('observe', fault);
  }
}

/** `true` for what `await` waits for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return false;
  try {
    return typeof (value as { then?: unknown }).then === 'function';
  } catch {
    return false;
  }
}

function isPlainPromise(value: object): value is Promise<unknown> {
  return (
    value instanceof Promise &&
    value.constructor === Promise &&
    value.then === Promise.prototype.then &&
    Object.keys(value).length === 0
  );
}

/** Stands in for `then` until it is called for the first time. */
function observeWhenRead(thenable: PromiseLike<unknown>, onValue: OnValue, onError: OnValue): void {
  try {
    const own = Object.getOwnPropertyDescriptor(thenable, 'then');
    const then = thenable.then as Method;
    Object.defineProperty(thenable, 'then', {
      configurable: true,
      writable: true,
      enumerable: own?.enumerable ?? false,
      value(this: unknown, onFulfilled: unknown, onRejected: unknown, ...rest: unknown[]) {
        // Refused when the receiver froze the thenable: it is only observed once more then.
        if (own === undefined) Reflect.deleteProperty(thenable, 'then');
        else Reflect.defineProperty(thenable, 'then', own);
        const fulfilled = (value: unknown): unknown => {
          tell(onValue, value);
          return typeof onFulfilled === 'function' ? onFulfilled(value) : value;
        };
        const rejected = (error: unknown): unknown => {
          tell(onError, error);
          if (typeof onRejected === 'function') return onRejected(error);
          throw error;
        };
        return Reflect.apply(then, this, [fulfilled, rejected, ...rest]);
      },
    });
  } catch {
    diagnostics.debug('a thenable that cannot be observed was returned; its call ends here');
    onValue(undefined);
  }
}
