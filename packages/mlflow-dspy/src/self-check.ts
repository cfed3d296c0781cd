import { type Context, createContextKey, isSpanContextValid, type Span } from '@opentelemetry/api';
import type { AxModule } from './ax.js';
import { cjsCache, requireFrom } from './cjs-cache.js';
import { warnOnce } from './log.js';
import { apiGlobals, isProviderInvisible } from './provider/api-globals.js';

const ONE_API =
  'Keep one version: see `npm ls @opentelemetry/api`, then install the one your SDK needs ' +
  '(SDK 2.x: `@opentelemetry/api@~1.9.1`, SDK 3.x: `@opentelemetry/api@~1.10.0`), with `overrides` where a dependency brings another.';

const SDK_FILE = /[\\/]@opentelemetry[\\/](sdk-trace(?:-base)?|sdk-node)[\\/]/;

/** Warns when the application's SDK, or what it registered, is out of sight for us. */
export function checkApiCopies(): void {
  const registered = apiGlobals()?.version;
  if (isProviderInvisible()) {
    warnOnce(
      `The tracer provider was registered through @opentelemetry/api ${registered}, which this package's copy of the API cannot see: spans have no common parent. ${ONE_API}`,
    );
    return;
  }
  for (const file of loadedSdks()) {
    const version = apiVersionSeenFrom(file);
    if (version === undefined || registered === undefined || version === registered) continue;
    warnOnce(
      `An OpenTelemetry SDK is loaded that uses @opentelemetry/api ${version}, while ${registered} is in use: it cannot register, and its spans are lost. ${ONE_API}`,
    );
    return;
  }
}

function loadedSdks(): string[] {
  const packages = new Map<string, string>();
  for (const file of Object.keys(cjsCache)) {
    const match = SDK_FILE.exec(file);
    if (match !== null) packages.set(file.slice(0, match.index + match[0].length), file);
  }
  return [...packages.values()];
}

function apiVersionSeenFrom(file: string): string | undefined {
  try {
    const main = requireFrom(file).resolve('@opentelemetry/api');
    const root = main.slice(0, main.lastIndexOf('@opentelemetry') + '@opentelemetry/api'.length);
    return (requireFrom(file)(`${root}/package.json`) as { version: string }).version;
  } catch {
    return undefined;
  }
}

// The instrumentation's mark on what it has replaced.
const ORIGINAL = Symbol.for('@hokusai/instrumentation-dspy original');

interface HasForward {
  readonly prototype?: { readonly forward?: object };
}

const isPatched = ({ AxGen }: AxModule): boolean =>
  ORIGINAL in ((AxGen as HasForward | undefined)?.prototype?.forward ?? {});

/** Warns, before we instrument anything, of an instrumentation that is there already. */
export function checkUntouched(copies: readonly AxModule[]): void {
  if (!copies.some(isPatched)) return;
  warnOnce(
    'A DspyInstrumentation of the application is at work already: its options decide what is recorded (logInputs, samplingRate, …), not those of autolog(). Remove one of the two.',
  );
}

/** Warns when a copy of Ax is loaded whose programs are not traced. */
export function checkPatched(copies: readonly AxModule[]): void {
  if (copies.every(isPatched)) return;
  warnOnce(
    '@ax-llm/ax is loaded, but none of its programs could be instrumented, so nothing is traced. Supported are versions 12 to 24.',
  );
}

const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

/** Looks at a span that was just started; `true` when no further look is needed. */
export function hasIds(span: Span, context: Context): boolean {
  if (context.getValue(SUPPRESS_TRACING) === true) return false;
  if (isSpanContextValid(span.spanContext())) return true;
  warnOnce(
    'Spans have no ids, so nothing is traced: the registered tracer provider makes no spans. Start your OpenTelemetry SDK before the first program runs, or remove the provider and leave it to autolog().',
  );
  return true;
}
