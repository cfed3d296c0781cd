import type { AttributeMap, PromptRecord } from '../internal-types.js';
import { MAX_TAG_VALUE } from './labels.js';
import { isObject, readArray } from './read.js';
import { mend } from './text.js';

/** Where MLflow's page and client look for the prompts of a trace; the table of links answers searches. */
export const LINKED_PROMPTS_TAG = 'mlflow.linkedPrompts';

/** Registered prompt versions that a span names (`dspy.prompts`); entries without name or version are left out. */
export function readPrompts(attributes: AttributeMap): PromptRecord[] {
  return (readArray(attributes, 'dspy.prompts') ?? []).flatMap((entry) => {
    if (!isObject(entry)) return [];
    const { name, version } = entry;
    if (typeof name !== 'string' || name === '') return [];
    if (typeof version !== 'string' && typeof version !== 'number') return [];
    return [{ name: mend(name), version: mend(String(version)) }];
  });
}

/** The prompts as the tag has them; as many as its value holds. */
export function promptsTag(prompts: readonly PromptRecord[]): string {
  let kept = prompts.length;
  let text = JSON.stringify(prompts);
  while (text.length > MAX_TAG_VALUE) text = JSON.stringify(prompts.slice(0, --kept));
  return text;
}

/** Adds those that are not there yet. */
export function addPrompts(known: PromptRecord[], found: readonly PromptRecord[]): void {
  for (const { name, version } of found) {
    if (known.some((one) => one.name === name && one.version === version)) continue;
    known.push({ name, version });
  }
}
