import type { Attributes } from '@opentelemetry/api';
import type { AttributeMap, AttributeValue } from '../internal-types.js';
import { mend } from './text.js';

/** MLflow makes a trace tag of every resource attribute; these three tell traces apart. */
export const DEFAULT_RESOURCE_ATTRIBUTES = [
  'service.name',
  'service.version',
  'deployment.environment.name',
] as const;

/**
 * The allowed part of a resource. One object for each resource, so that the encoder can group spans
 * by identity; a resource whose asynchronous attributes have settled since is read again.
 */
export function createResourceFilter(
  allowed: readonly string[],
): (resource: { readonly attributes: Attributes }) => AttributeMap {
  const known = new WeakMap<object, { attributes: Attributes; filtered: AttributeMap }>();
  return (resource) => {
    const { attributes } = resource;
    const kept = known.get(resource);
    if (kept !== undefined && sameValues(kept.filtered, attributes, allowed)) return kept.filtered;
    const filtered = filter(attributes, allowed);
    known.set(resource, { attributes, filtered });
    return filtered;
  };
}

function filter(attributes: Attributes, allowed: readonly string[]): AttributeMap {
  const filtered: AttributeMap = {};
  for (const key of allowed) {
    const value = attributes[key];
    if (value === undefined || isPlaceholder(key, value)) continue;
    filtered[key] = typeof value === 'string' ? mend(value) : (value as AttributeValue);
  }
  return filtered;
}

/** The SDK's name for a service that has none says nothing. */
function isPlaceholder(key: string, value: unknown): boolean {
  return key === 'service.name' && typeof value === 'string' && value.startsWith('unknown_service');
}

function sameValues(
  filtered: AttributeMap,
  attributes: Attributes,
  allowed: readonly string[],
): boolean {
  return allowed.every((key) => {
    const value = attributes[key];
    if (value === undefined || isPlaceholder(key, value)) return filtered[key] === undefined;
    return typeof value === 'string' ? filtered[key] === mend(value) : filtered[key] === value;
  });
}
