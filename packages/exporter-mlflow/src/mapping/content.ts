import type { AttributeValue } from '../internal-types.js';

const JSON_TYPE = /\bjson\b/i;

/**
 * A value for `mlflow.spanInputs` or `mlflow.spanOutputs` that MLflow reads back as what it was. The
 * server encodes every text once more and unwraps text that is itself JSON of an object, a list or a
 * string (tried on 3.17.2), so objects travel as JSON text, numbers and booleans as such, and text
 * that only looks like JSON in quotes.
 *
 * @param mimeType `application/json`: the text is JSON; `text/plain`: it is text; absent: JSON if it has the shape of an object or a list
 */
export function toMlflowValue(
  value: AttributeValue,
  mimeType?: string | undefined,
): AttributeValue {
  if (typeof value !== 'string') return typeof value === 'object' ? JSON.stringify(value) : value;
  if (mimeType === undefined) return startsLikeStructure(value) ? value : plainText(value);
  return JSON_TYPE.test(mimeType) ? fromJson(value) : plainText(value);
}

function fromJson(text: string): AttributeValue {
  // Not parsed: a structure that is no valid JSON after all arrives as the text it is.
  if (startsLikeStructure(text)) return text;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'number' || typeof value === 'boolean') return value;
    return typeof value === 'string' ? plainText(value) : text;
  } catch {
    return plainText(text);
  }
}

function plainText(text: string): string {
  if (!/^\s*[{["]/.test(text)) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' || typeof value === 'string' ? JSON.stringify(text) : text;
  } catch {
    return text;
  }
}

function startsLikeStructure(text: string): boolean {
  return /^\s*[{[]/.test(text);
}
