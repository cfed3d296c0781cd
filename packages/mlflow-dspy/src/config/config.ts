import { inspect } from 'node:util';
import type { z } from 'zod';
import { hideSecrets } from './address.js';
import { fields, optionNames, optionsSchema } from './fields.js';
import { BRAND, isMade } from './given.js';
import { killSwitch } from './kill-switch.js';
import type { MlflowDspyOptions, OptionName, ResolvedOptions } from './options.js';
import { type ConfigProblem, type Environment, resolve, type Source } from './resolve.js';

// Gives the class the options as properties; the constructor assigns them.
const Values = class {} as new () => ResolvedOptions;

/**
 * Configuration of `autolog()`, every option with its value: from code, else from the environment, else
 * the default. Never throws: what cannot be used is in `problems`, and `autolog()` warns of it.
 *
 * ```ts
 * autolog(new MlflowDspyConfig({ samplingRate: 0.5 }));
 * ```
 */
export class MlflowDspyConfig extends Values {
  /** The options as a zod schema, for programs that validate strictly themselves. */
  static readonly schema: z.ZodType<MlflowDspyOptions> = optionsSchema;

  /** Everything from the environment and defaults; what `autolog()` without argument uses. */
  static fromEnv(env: Environment = process.env): MlflowDspyConfig {
    return new MlflowDspyConfig({}, env);
  }

  /** A configuration of this or another copy of the package, or options to make one of. */
  static from(options: MlflowDspyConfig | MlflowDspyOptions | undefined): MlflowDspyConfig {
    return isMade(options) ? (options as MlflowDspyConfig) : new MlflowDspyConfig(options);
  }

  readonly #problems: readonly ConfigProblem[];
  readonly #sources: ReadonlyMap<OptionName, Source>;

  constructor(options: MlflowDspyOptions = {}, env: Environment = process.env) {
    super();
    const { values, sources, problems } = resolve(options, env);
    const off = killSwitch(env);
    if (off.by !== undefined) values.enabled = false;
    this.#problems = [...problems, ...off.problems];
    this.#sources = sources;
    Object.assign(this, values);
    Object.freeze(this);
  }

  /** What could not be used, each with its setting, its value, the accepted forms and what is used instead. */
  get problems(): readonly ConfigProblem[] {
    return this.#problems;
  }

  /** Where the value of an option came from. */
  sourceOf(option: OptionName): Source {
    return this.#sources.get(option) ?? 'default';
  }

  /** Without credentials, so that a logged configuration gives nothing away. */
  toJSON(): Record<string, unknown> {
    const shown: Record<string, unknown> = {};
    for (const name of optionNames) {
      const value = this[name];
      if (value === undefined) continue;
      shown[name] = fields[name].secret ? '[secret]' : value;
    }
    if (typeof shown.trackingUri === 'string') shown.trackingUri = hideSecrets(shown.trackingUri);
    return shown;
  }

  get [BRAND](): true {
    return true;
  }

  [inspect.custom](): unknown {
    return this.toJSON();
  }
}
