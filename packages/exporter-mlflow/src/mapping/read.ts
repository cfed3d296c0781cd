import type { AttributeMap } from '../internal-types.js';

/** Text of an attribute; empty counts as absent. */
export function readText(attributes: AttributeMap, key: string): string | undefined {
  const value = attributes[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The first of the keys that holds text. */
export function readFirstText(
  attributes: AttributeMap,
  keys: readonly string[],
): string | undefined {
  for (const key of keys) {
    const text = readText(attributes, key);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** A finite number; digits in text count, since some instrumentations write them so. */
export function readNumber(attributes: AttributeMap, key: string): number | undefined {
  const value = attributes[key];
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

export function readFirstNumber(
  attributes: AttributeMap,
  keys: readonly string[],
): number | undefined {
  for (const key of keys) {
    const number = readNumber(attributes, key);
    if (number !== undefined) return number;
  }
  return undefined;
}

/** Strings of a list attribute. */
export function readTexts(attributes: AttributeMap, key: string): string[] {
  const value = attributes[key];
  return Array.isArray(value)
    ? value.filter((item): item is string => typeof item === 'string')
    : [];
}

/** The object that a JSON attribute holds; anything else is undefined. */
export function readObject(
  attributes: AttributeMap,
  key: string,
): Record<string, unknown> | undefined {
  const value = parseJson(readText(attributes, key));
  return isObject(value) ? value : undefined;
}

/** The array that a JSON attribute holds; anything else is undefined. */
export function readArray(attributes: AttributeMap, key: string): unknown[] | undefined {
  const value = parseJson(readText(attributes, key));
  return Array.isArray(value) ? value : undefined;
}

export function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
