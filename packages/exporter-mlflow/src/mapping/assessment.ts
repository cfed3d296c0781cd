import type { AssessmentRecord, AttributeMap, EventRecord, SpanRecord } from '../internal-types.js';
import { readNumber, readText } from './read.js';
import { cap } from './text.js';

const MAX_NAME = 250;

/**
 * Scores as assessments of the trace: a span with `gen_ai.evaluation.name` is one, and so is each
 * `gen_ai.evaluation.result` event (OpenTelemetry's convention). Ids come from the span's, so that a
 * resend replaces.
 */
export function readAssessments(span: SpanRecord): AssessmentRecord[] {
  const found: AssessmentRecord[] = [];
  const own = toAssessment(span.attributes, idOf(span, 0), span);
  if (own) found.push(own);
  span.events.forEach((event: EventRecord, index) => {
    if (event.name !== 'gen_ai.evaluation.result') return;
    const one = toAssessment(event.attributes, idOf(span, index + 1), undefined);
    if (one) found.push(one);
  });
  return found;
}

/** `a-` and 32 hex characters, as the server makes them: half of the trace id, a count, the span id. */
function idOf({ traceId, spanId }: SpanRecord, index: number): string {
  return `a-${traceId.slice(20)}${index.toString(16).padStart(4, '0')}${spanId}`;
}

function toAssessment(
  attributes: AttributeMap,
  id: string,
  span: SpanRecord | undefined,
): AssessmentRecord | undefined {
  const name = readText(attributes, 'gen_ai.evaluation.name');
  if (name === undefined) return undefined;
  const score = readNumber(attributes, 'gen_ai.evaluation.score.value');
  const label = readText(attributes, 'gen_ai.evaluation.score.label');
  const failed = span?.status.code === 2;
  if (score === undefined && label === undefined && !failed) return undefined;
  const shown = cap(name, MAX_NAME);
  const record: AssessmentRecord = {
    id,
    name: shown,
    kind: 'feedback',
    source: { type: 'CODE', id: shown },
  };
  const value = score ?? label;
  if (value !== undefined) record.value = value;
  else if (span) {
    record.error = {
      code: readText(attributes, 'error.type') ?? 'ERROR',
      message: span.status.message ?? '',
    };
  }
  const rationale = readText(attributes, 'gen_ai.evaluation.explanation');
  if (rationale !== undefined) record.rationale = rationale;
  if (score !== undefined && label !== undefined) record.metadata = { label };
  return record;
}
