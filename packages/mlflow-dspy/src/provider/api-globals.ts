import { trace } from '@opentelemetry/api';

/** What is registered with OpenTelemetry in this process, by whichever copy of `@opentelemetry/api`. */
export interface ApiGlobals {
  readonly version: string;
  readonly trace?: unknown;
  readonly context?: unknown;
  readonly propagation?: unknown;
  readonly diag?: unknown;
}

/** The slot that every 1.x copy of the API registers in. */
export function apiGlobals(): ApiGlobals | undefined {
  return (globalThis as Record<symbol, unknown>)[Symbol.for('opentelemetry.js.api.1')] as
    | ApiGlobals
    | undefined;
}

/**
 * A tracer provider is registered, but our copy of the API refuses to look at it, because an older copy
 * registered it (open-telemetry/opentelemetry-js, api/src/internal/semver.ts).
 */
export function isProviderInvisible(): boolean {
  const registered = apiGlobals()?.trace;
  return registered !== undefined && trace.getTracerProvider() !== registered;
}

/**
 * The API lets whoever registers first win and turns later ones away. What we registered for want of
 * anything better must not turn away an SDK that the application starts afterwards: at its
 * registration ours is released first.
 */
export function stepAside<A extends object, M extends keyof A>(
  api: A,
  method: M,
  release: () => void,
  after: () => void = () => {},
): void {
  const register = api[method] as (...args: unknown[]) => unknown;
  // `diag` has its methods as own properties, the other APIs inherit theirs.
  const inherited = !Object.hasOwn(api, method);
  const registerTheirs = (...args: unknown[]): unknown => {
    if (api[method] === (registerTheirs as unknown)) {
      if (inherited) Reflect.deleteProperty(api, method);
      else Reflect.set(api, method, register);
    }
    release();
    const result = Reflect.apply(register, api, args);
    after();
    return result;
  };
  Reflect.set(api, method, registerTheirs);
}
