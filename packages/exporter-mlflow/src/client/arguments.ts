import { MlflowConfigError } from '../server/errors.js';

/** @throws MlflowConfigError unless the argument is text that is not empty */
export function checkText(call: string, name: string, value: unknown): asserts value is string {
  if (typeof value === 'string' && value !== '') return;
  throw new MlflowConfigError(`${call}: ${name} must be text that is not empty`);
}

/** As {@link checkText}, where the argument is given. */
export function checkOptionalText(call: string, name: string, value: unknown): void {
  if (value !== undefined) checkText(call, name, value);
}

/** @throws MlflowConfigError unless the argument is a list of texts */
export function checkTextList(call: string, name: string, value: unknown): void {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '')) return;
  throw new MlflowConfigError(`${call}: ${name} must be a list of texts that are not empty`);
}

/** @throws MlflowConfigError unless the argument, where it is given, is an object of texts */
export function checkTextMap(call: string, name: string, value: unknown): void {
  if (value === undefined) return;
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isMap && !(value instanceof Map)) {
    const wrong = Object.entries(value).find(([, text]) => typeof text !== 'string')?.[0];
    if (wrong === undefined) return;
    throw new MlflowConfigError(`${call}: ${name}: ${JSON.stringify(wrong)} must be text`);
  }
  throw new MlflowConfigError(`${call}: ${name} must be an object of texts`);
}

/** @throws MlflowConfigError for what JSON has no form of: a `bigint`, a cycle, a function, `NaN` */
export function checkJson(call: string, name: string, value: unknown): void {
  const isNumber = typeof value === 'number';
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text !== undefined && !(isNumber && !Number.isFinite(value))) return;
  } catch {
    // A cycle, a `bigint`, a `toJSON` that throws.
  }
  throw new MlflowConfigError(
    `${call}: ${name} must be a boolean, a finite number, text, or a list or object of them`,
  );
}

/** @throws MlflowConfigError unless the argument, where it is given, is a time that can be waited */
export function checkWait(call: string, value: unknown): void {
  if (value === undefined || (typeof value === 'number' && value >= 0)) return;
  throw new MlflowConfigError(`${call}: waitMs must be a number of milliseconds of at least 0`);
}
