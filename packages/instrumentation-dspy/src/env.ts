import { diagnostics } from './diagnostics.js';

export type Env = Readonly<Record<string, string | undefined>>;

const TRUE = new Set(['true', '1', 'yes', 'on']);
const FALSE = new Set(['false', '0', 'no', 'off']);

/** A boolean in any of the usual spellings; `undefined` when it is none. */
export function parseBoolean(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (TRUE.has(word)) return true;
  return FALSE.has(word) ? false : undefined;
}

/** A variable that is unset or empty (the OpenTelemetry specification treats both alike) is `undefined`. */
export function readVariable(env: Env, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}

/** Which content the environment forbids. */
export interface ContentSwitches {
  hideInputs: boolean;
  hideOutputs: boolean;
  hideInputMessages: boolean;
  hideOutputMessages: boolean;
  hideTools: boolean;
  hideParameters: boolean;
  hideEmbeddingText: boolean;
  hideMedia: boolean;
}

const CAPTURE_VARIABLE = 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT';
const HIDE_PREFIX = 'OPENINFERENCE_HIDE_';

/**
 * What each OpenInference switch hides here. The finer switches (text, choices, prompts) hide the
 * whole of the attribute they are about: the same text is in `input.value` and in the messages.
 */
const HIDE_SWITCHES: Readonly<Record<string, readonly (keyof ContentSwitches)[]>> = {
  INPUTS: ['hideInputs'],
  OUTPUTS: ['hideOutputs'],
  INPUT_MESSAGES: ['hideInputMessages'],
  OUTPUT_MESSAGES: ['hideOutputMessages'],
  INPUT_TEXT: ['hideInputMessages'],
  OUTPUT_TEXT: ['hideOutputMessages'],
  INPUT_IMAGES: ['hideMedia'],
  OUTPUT_IMAGES: ['hideMedia'],
  INPUT_AUDIO: ['hideMedia'],
  OUTPUT_AUDIO: ['hideMedia'],
  LLM_TOOLS: ['hideTools'],
  LLM_INVOCATION_PARAMETERS: ['hideParameters'],
  LLM_PROMPTS: ['hideInputMessages'],
  PROMPTS: ['hideInputMessages'],
  CHOICES: ['hideOutputMessages'],
  EMBEDDING_VECTORS: [],
  EMBEDDINGS_VECTORS: [],
  EMBEDDINGS_TEXT: ['hideEmbeddingText'],
};

/**
 * The content switches of both conventions. What cannot be read counts as private, with one warning:
 * a misspelt switch must not be the reason that prompts leave the process.
 */
export function readContentSwitches(env: Env): ContentSwitches {
  const switches: ContentSwitches = {
    hideInputs: false,
    hideOutputs: false,
    hideInputMessages: false,
    hideOutputMessages: false,
    hideTools: false,
    hideParameters: false,
    hideEmbeddingText: false,
    hideMedia: false,
  };
  const capture = readVariable(env, CAPTURE_VARIABLE);
  if (capture !== undefined && !capturesOnSpans(capture)) {
    switches.hideInputs = true;
    switches.hideOutputs = true;
  }
  for (const name of Object.keys(env)) {
    if (!name.startsWith(HIDE_PREFIX)) continue;
    const value = readVariable(env, name);
    if (value !== undefined) applyHideSwitch(switches, name, value);
  }
  return switches;
}

function capturesOnSpans(value: string): boolean {
  const mode = value.toUpperCase();
  if (mode === 'SPAN_ONLY' || mode === 'SPAN_AND_EVENT') return true;
  if (mode === 'NO_CONTENT' || mode === 'EVENT_ONLY') return false;
  const on = parseBoolean(value);
  if (on === undefined) {
    diagnostics.warnOnce(
      CAPTURE_VARIABLE,
      `${CAPTURE_VARIABLE}="${value}" is not understood, so no content is recorded. ` +
        'Accepted: true, false, NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT',
    );
  }
  return on === true;
}

function applyHideSwitch(switches: ContentSwitches, name: string, value: string): void {
  const hides = HIDE_SWITCHES[name.slice(HIDE_PREFIX.length)];
  const on = parseBoolean(value);
  if (on === false) return;
  if (hides === undefined) {
    diagnostics.warnOnce(
      name,
      `${name} is no known switch, so no content is recorded. Known: ` +
        Object.keys(HIDE_SWITCHES)
          .map((suffix) => HIDE_PREFIX + suffix)
          .join(', '),
    );
    switches.hideInputs = true;
    switches.hideOutputs = true;
    return;
  }
  if (on === undefined) {
    diagnostics.warnOnce(
      name,
      `${name}="${value}" is not understood and counts as true. Accepted: true, false`,
    );
  }
  for (const key of hides) switches[key] = true;
}
