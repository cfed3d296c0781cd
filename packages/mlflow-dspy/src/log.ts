import { type DiagLogger, DiagLogLevel, diag } from '@opentelemetry/api';
import { apiGlobals, isProviderInvisible, stepAside } from './provider/api-globals.js';

const NAMESPACE = '@hokusai/mlflow-dspy';
const OURS = /^@hokusai\//;

/** Texts that vary (what a server answered, what a listener threw) must not fill memory and log. */
const MAX_SAID = 200;
const said = new Set<string>();

/** Warns once in the life of the process. Never throws. */
export function warnOnce(message: string): void {
  if (said.has(message) || said.size >= MAX_SAID) return;
  said.add(message);
  try {
    if (diagIsOutOfReach) console.warn(`${NAMESPACE}: ${message}`);
    else diag.warn(`${NAMESPACE}: ${message}`);
  } catch {
    // A logger of the application that throws is not the program's problem either.
  }
}

/** Says something of use at debug level. Never throws. */
export function debug(message: string): void {
  try {
    diag.debug(`${NAMESPACE}: ${message}`);
  } catch {
    // As above.
  }
}

/** What an error says, whatever was thrown. Never throws. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : typeof error;
  } catch {
    return 'an error that cannot be read';
  }
}

/** Forgets what was said; for tests. */
export function forgetWarnings(): void {
  said.clear();
}

/** An older copy of the API owns the registry, so whatever logger there is, ours cannot call it. */
let diagIsOutOfReach = false;
let sdkCalls = 0;

/** Runs code of the SDK in our build, whose messages are about our configuration. */
export function inOwnSdk<T>(fn: () => T): T {
  sdkCalls++;
  try {
    return fn();
  } finally {
    sdkCalls--;
  }
}

/**
 * OpenTelemetry's messages go nowhere by default, and tracing that fails in silence is the commonest
 * complaint about it. Unless a logger is set or `OTEL_LOG_LEVEL` asks for another level, warnings of
 * this project alone go to stderr.
 */
export function showWarnings(env: Readonly<Record<string, string | undefined>>): void {
  diagIsOutOfReach = isProviderInvisible();
  if (diagIsOutOfReach || apiGlobals()?.diag !== undefined) return;
  const asked = env.OTEL_LOG_LEVEL?.trim().toUpperCase() ?? '';
  const level = DiagLogLevel[asked as keyof typeof DiagLogLevel];
  const isSet = diag.setLogger(level === undefined ? oursOnly() : everything(), {
    logLevel: level ?? DiagLogLevel.WARN,
    suppressOverrideMessage: true,
  });
  diagIsOutOfReach = !isSet;
  if (isSet) stepAside(diag, 'setLogger', () => diag.disable());
}

function everything(): DiagLogger {
  return {
    error: (...words) => console.error(...words),
    warn: (...words) => console.warn(...words),
    info: (...words) => console.info(...words),
    debug: (...words) => console.debug(...words),
    verbose: (...words) => console.debug(...words),
  };
}

function oursOnly(): DiagLogger {
  const nothing = () => {};
  const show = (message: string, ...words: unknown[]) => {
    if (OURS.test(message) || sdkCalls > 0) console.warn(message, ...words);
  };
  return { error: show, warn: show, info: nothing, debug: nothing, verbose: nothing };
}
