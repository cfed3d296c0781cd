import { type Attributes, SpanKind } from '@opentelemetry/api';
import { DSPY_OPTIONS } from '../attributes/dspy.js';
import { GEN_AI_REQUEST_MODEL } from '../attributes/gen-ai.js';
import { LLM_MODEL_NAME } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { readProperty, readText } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import type { CallKind } from '../execution/kinds.js';
import { scalarsOf } from './best-of.js';
import { describeService, type Service } from './service.js';
import type { Hook } from './types.js';
import { tracedOnce } from './wrappers.js';

interface SpeechRequest {
  readonly text?: unknown;
  readonly audio?: unknown;
  readonly prompt?: unknown;
  readonly model?: unknown;
}

/** A call of a speech model: no tokens are reported for it. */
function speechKind(
  type: 'speech' | 'transcription',
  options: readonly string[],
  input: (request: SpeechRequest) => unknown,
  output: (result: unknown) => unknown,
): CallKind {
  return {
    role: 'model',
    spanKind: SpanKind.CLIENT,
    optionsIndex: 1,
    subject(_copy, self: Service & object, args, settings) {
      const service = describeService(self, settings);
      const model = readText(args[0], 'model');
      const name = model === undefined ? service.name : safeString(model, 128);
      const attributes: Attributes = { ...service.identity };
      if (settings.genAi && model !== undefined) attributes[GEN_AI_REQUEST_MODEL] = name;
      return subjectOf(settings, {
        name,
        type,
        operation: 'generate_content',
        kind: 'LLM',
        spanName: model === undefined ? 'generate_content' : `generate_content ${name}`,
        attributes,
        fixed: service.fixed,
      });
    },
    input: (_self, args) => input((args[0] ?? {}) as SpeechRequest),
    started(operation, _self, args) {
      const model = readText(args[0], 'model');
      if (operation.settings.openInference && model !== undefined) {
        operation.attributes[LLM_MODEL_NAME] = safeString(model, 128);
      }
      operation.json(DSPY_OPTIONS, scalarsOf((args[0] ?? {}) as object, options));
    },
    finished: (operation, result) => operation.recordOutput(output(result)),
  };
}

const transcription = speechKind(
  'transcription',
  ['language', 'temperature', 'responseFormat', 'mode'],
  ({ audio, prompt }) => (prompt === undefined ? { audio } : { audio, prompt }),
  (result) => readProperty(result, 'text'),
);

const speech = speechKind(
  'speech',
  ['format', 'mimeType', 'sampleRate', 'speed', 'language', 'voice'],
  ({ text }) => text,
  (result) => result,
);

/** Every class that has methods of its own for speech; some go on to those of their base class. */
const TARGETS = [
  'AxBaseAI',
  'AxAIOpenAIBase',
  'AxAIOpenAIProfile',
  'AxAIOpenAIResponsesProfile',
  'AxAIGrok',
  'AxAIMistral',
  'AxMockAIService',
];

export const speechHooks: readonly Hook[] = TARGETS.flatMap((target) => [
  { target, method: 'transcribe', wrap: tracedOnce(transcription) },
  { target, method: 'speak', wrap: tracedOnce(speech) },
]);
