import { parseBoolean, parseList } from './parse.js';
import type { ConfigProblem, Environment } from './resolve.js';

/** The name of the DSPy instrumentation in `OTEL_NODE_*_INSTRUMENTATIONS`. */
const INSTRUMENTATION = 'dspy';

/**
 * OpenTelemetry's switches that turn tracing off as a whole. They are for operators and win over code.
 * `OTEL_SDK_DISABLED` is on for `true` alone, in any case, as the specification has it.
 */
export function killSwitch(env: Environment): { by?: string; problems: ConfigProblem[] } {
  const problems: ConfigProblem[] = [];
  const disabled = env.OTEL_SDK_DISABLED?.trim().toLowerCase() ?? '';
  if (disabled === 'true') return { by: 'OTEL_SDK_DISABLED', problems };
  if (disabled !== '' && disabled !== 'false') {
    problems.push({
      setting: 'OTEL_SDK_DISABLED',
      message: `OTEL_SDK_DISABLED=${JSON.stringify(env.OTEL_SDK_DISABLED)} is not true or false; tracing stays on.`,
    });
  }
  if (listed(env.OTEL_NODE_DISABLED_INSTRUMENTATIONS)) {
    return { by: 'OTEL_NODE_DISABLED_INSTRUMENTATIONS', problems };
  }
  const enabled = env.OTEL_NODE_ENABLED_INSTRUMENTATIONS?.trim() ?? '';
  if (enabled !== '' && !listed(enabled)) {
    return { by: 'OTEL_NODE_ENABLED_INSTRUMENTATIONS', problems };
  }
  return { problems };
}

/** The environment alone says, and without a doubt, that nothing is to be traced. */
export function isSwitchedOff(env: Environment): boolean {
  return parseBoolean(env.MLFLOW_DSPY_ENABLED ?? '') === false || killSwitch(env).by !== undefined;
}

const listed = (names: string | undefined): boolean =>
  parseList(names ?? '').includes(INSTRUMENTATION);
