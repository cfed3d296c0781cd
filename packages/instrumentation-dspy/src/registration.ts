import { isMainThread, parentPort } from 'node:worker_threads';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { diag, type ProxyTracerProvider, trace } from '@opentelemetry/api';
import { onEndingSignals } from './signals.js';
import { withinLimit } from './time-limit.js';

/** Name of this instrumentation in `OTEL_NODE_DISABLED_INSTRUMENTATIONS`. */
const NAME = 'dspy';
/** An application that sets up its SDK after this module sets it to `false`. */
const SETUP_SDK = 'DSPY_OTEL_SETUP_SDK';
/** Milliseconds that delivery may delay the end of a process. */
const SHUTDOWN_LIMIT = 5000;
const REGISTERED = Symbol.for('@hokusai/instrumentation-dspy registered');

/** The part of `@opentelemetry/sdk-node` that is used. */
export interface SdkModule {
  readonly NodeSDK: new (config: {
    instrumentations: DspyInstrumentation[];
  }) => {
    start(): void;
    shutdown(): Promise<void>;
  };
}

/**
 * The instrumentation, created once in a process; `undefined` where the environment turns it off or it
 * is there already.
 */
export function createRegistered(env = process.env): DspyInstrumentation | undefined {
  const global = globalThis as { [REGISTERED]?: boolean };
  if (global[REGISTERED] === true || isLoaderThread() || isTurnedOff(env)) return undefined;
  global[REGISTERED] = true;
  return new DspyInstrumentation();
}

/** `true` where nobody has set up a tracer provider and nobody forbids it. */
export function needsSdk(env = process.env): boolean {
  if (env[SETUP_SDK]?.trim().toLowerCase() === 'false') return false;
  const provider = trace.getTracerProvider() as Partial<ProxyTracerProvider>;
  return provider.getDelegateTracer?.('') === undefined;
}

/** Sets up an SDK as the `OTEL_*` variables say, and has it deliver before the process ends. */
export function startSdk(instrumentation: DspyInstrumentation, { NodeSDK }: SdkModule): void {
  const sdk = new NodeSDK({ instrumentations: [instrumentation] });
  sdk.start();
  const provider = (trace.getTracerProvider() as Partial<ProxyTracerProvider>).getDelegate?.();
  const deliver = async (): Promise<void> => {
    try {
      // The SDK's simple processor, which the console exporter gets, does not wait at its shutdown.
      await (provider as { forceFlush?(): Promise<void> } | undefined)?.forceFlush?.();
    } finally {
      await sdk.shutdown();
    }
  };
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    // It rejects when spans cannot be delivered, which is no reason to end the process otherwise.
    stopped ??= withinLimit(SHUTDOWN_LIMIT, deliver).catch((error: unknown) => {
      diag.error(`@hokusai/instrumentation-dspy: spans were not delivered: ${nameOf(error)}`);
    });
    return stopped;
  };
  process.once('beforeExit', () => void stop());
  onEndingSignals({ begin: stop, deliver: stop });
}

/** Node preloads modules in its own thread of loader hooks too, which is a worker that nobody talks to. */
function isLoaderThread(): boolean {
  return !isMainThread && parentPort === null;
}

/** Reports what went wrong. The application goes on untraced. */
export function reportFailure(error: unknown): void {
  diag.error(
    `@hokusai/instrumentation-dspy/register: nothing is traced, because it could not be set up: ${nameOf(error)}`,
  );
}

/** `true` for an optional module that is not installed. */
export function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : typeof error;
}

/** The variables as OpenTelemetry defines them: only `true` is true, lists are separated by commas. */
function isTurnedOff(env: NodeJS.ProcessEnv): boolean {
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return true;
  const enabled = listOf(env.OTEL_NODE_ENABLED_INSTRUMENTATIONS);
  if (enabled.length > 0 && !enabled.includes(NAME)) return true;
  return listOf(env.OTEL_NODE_DISABLED_INSTRUMENTATIONS).includes(NAME);
}

function listOf(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((item) => item.trim().toLowerCase())
    .filter((item) => item !== '');
}
