import type { InstrumentationConfig } from '@opentelemetry/instrumentation';

/** Attribute families written on every span. */
export type Convention = 'gen_ai' | 'openinference';

/** Names a program in {@link DspyInstrumentationConfig.moduleFilter}: `AxGen`, `AxFlow`, `AxAgent`, a user's subclass name, … */
export type ModuleType = string;

/** Named input values of a program call, as the caller gave them. */
export type ProgramInputs = Readonly<Record<string, unknown>>;

/** Options of {@link DspyInstrumentation}. Everything has a default; an unknown name is reported once. */
export interface DspyInstrumentationConfig extends InstrumentationConfig {
  /** Record input values (program inputs, prompts, tool arguments). Default `true`. */
  logInputs?: boolean;
  /** Record output values (program outputs, completions, tool results). Default `true`. */
  logOutputs?: boolean;
  /** Record signature text, fields and instruction. Default `true`. */
  logSignatures?: boolean;
  /**
   * Record inner programs, tools and code execution as spans. Default `true`. When `false` an
   * execution is its outermost program and its model calls, so tokens and cost stay right.
   */
  logIntermediateSteps?: boolean;
  /** Share of executions to trace, 0 to 1. Default `1`. Decided once per execution. */
  samplingRate?: number;
  /** Trace tags for every execution. Default none. */
  customTags?: Readonly<Record<string, string>>;
  /** Return `false` to leave a program untraced; its traced children attach to the nearest traced ancestor. */
  moduleFilter?: (name: string, type: ModuleType) => boolean;
  /** Return `false` to leave an execution untraced. Called once per execution with the outermost program's inputs. */
  traceCondition?: (inputs: ProgramInputs, info: { name: string; type: ModuleType }) => boolean;
  /** Replaces input values before anything is serialised. A throw drops the content. */
  inputSanitizer?: (inputs: Record<string, unknown>) => unknown;
  /** Replaces output values before anything is serialised. A throw drops the content. */
  outputSanitizer?: (outputs: unknown) => unknown;
  /** Attribute families to write. Default both. */
  conventions?: readonly Convention[];
  /** Byte budget of one content attribute (UTF-8). Default `65536`. */
  maxAttributeBytes?: number;
  /** Keep images, audio and other binary as base64 instead of a short description. Default `false`. */
  keepMedia?: boolean;
  /** Property names whose values are redacted at any depth, beside the built-in credential names. Default none. */
  redactKeys?: readonly string[];
  /** With a tracer given to Ax itself: keep Ax's own spans beside ours. Default `false`, one span per operation. */
  nativeSpans?: boolean;
  /** Record every inner call of an optimizer as spans. Default `false`: they are summed on the optimizer's span. */
  recordOptimizerCalls?: boolean;
}
