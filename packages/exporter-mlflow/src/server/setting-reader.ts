import { readFileSync } from 'node:fs';
import type { Environment } from './auth.js';
import { readBoolean } from './boolean.js';

/** A setting that cannot be used; the message names the value and what to do. */
export interface SettingProblem {
  setting: string;
  message: string;
}

interface Chosen {
  value: string;
  setting: string;
  source: 'option' | 'environment';
}

/** Looks settings up by name and collects what is wrong with them. */
export class SettingReader {
  readonly problems: SettingProblem[] = [];
  readonly warnings: string[] = [];

  constructor(readonly env: Environment) {}

  problem(setting: string, message: string): void {
    this.problems.push({ setting, message });
  }

  check<T extends object>(setting: string, result: T | { error: string }): T | undefined {
    if (!('error' in result)) return result;
    this.problem(setting, result.error);
    return undefined;
  }

  /** A text option without an environment variable. */
  own(setting: string, value: unknown): string | undefined {
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'string') return value;
    this.problem(setting, `must be text, not ${value === null ? 'null' : typeof value}`);
    return undefined;
  }

  text(setting: string, option: unknown, variable: string, emptyIsSet = false): Chosen | undefined {
    if (emptyIsSet && option === '') return { value: '', setting, source: 'option' };
    const own = this.own(setting, option);
    if (own !== undefined) return { value: own, setting, source: 'option' };
    const value = this.env[variable]?.trim();
    return value ? { value, setting: variable, source: 'environment' } : undefined;
  }

  boolean(setting: string, option: unknown, variable: string): boolean {
    if (option !== undefined) {
      if (typeof option === 'boolean') return option;
      this.problem(setting, `${show(option)} is not true or false`);
      return false;
    }
    const word = this.env[variable];
    if (word === undefined || word.trim() === '') return false;
    const value = readBoolean(word);
    if (value === undefined) this.problem(variable, `${show(word)} is not true or false`);
    return value ?? false;
  }

  /** Text of a PEM file that holds at least one block of the kind. */
  pem(setting: string, path: string, kind: 'CERTIFICATE' | 'PRIVATE KEY'): string | undefined {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'error';
      this.problem(setting, `cannot read ${show(path)} (${code}); give the path of a PEM file`);
      return undefined;
    }
    if (new RegExp(`-----BEGIN [A-Z ]*${kind}-----`).test(text)) return text;
    this.problem(setting, `${show(path)} holds no PEM block "${kind}"`);
    return undefined;
  }
}

/** A value in a message. Never throws. */
export function show(value: unknown): string {
  let text: string;
  try {
    text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  } catch {
    return 'the value';
  }
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
