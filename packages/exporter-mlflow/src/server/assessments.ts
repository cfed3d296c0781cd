import type { AssessmentRecord } from '../internal-types.js';
import { mend } from '../mapping/text.js';
import type { Connection } from './connection.js';
import { MlflowApiError } from './errors.js';
import { call, callFor, pathPart, reading } from './rest.js';
import { traceIdOf, traceRequestPath } from './trace-id.js';

/** An assessment as the server writes and reads it. */
export interface WireAssessment {
  assessment_id?: string;
  assessment_name: string;
  trace_id?: string;
  span_id?: string;
  source?: { source_type?: string; source_id?: string };
  feedback?: { value?: unknown; error?: { error_code?: string; error_message?: string } };
  expectation?: {
    value?: unknown;
    serialized_value?: { serialization_format: string; value: string };
  };
  rationale?: string;
  metadata?: Record<string, string>;
  create_time?: string;
  last_update_time?: string;
  valid?: boolean;
}

export function toWireAssessment(record: AssessmentRecord, traceId: string): WireAssessment {
  const wire: WireAssessment = {
    assessment_id: record.id,
    assessment_name: mend(record.name),
    trace_id: traceIdOf(traceId),
    source: { source_type: record.source.type, source_id: mend(record.source.id) },
  };
  if (record.kind === 'expectation') wire.expectation = toWireExpectation(record.value);
  else {
    wire.feedback = record.error
      ? { error: { error_code: record.error.code, error_message: mend(record.error.message) } }
      : { value: record.value ?? null };
    if (record.error && record.value !== undefined) wire.feedback.value = record.value;
  }
  if (record.rationale !== undefined) wire.rationale = mend(record.rationale);
  if (record.spanId !== undefined) wire.span_id = record.spanId;
  if (record.metadata) wire.metadata = record.metadata;
  return wire;
}

/** Lists and objects go as JSON text: a plain protobuf value would turn 1 into 1.0. */
function toWireExpectation(value: unknown): NonNullable<WireAssessment['expectation']> {
  if (typeof value !== 'object' || value === null) return { value: value ?? null };
  return {
    serialized_value: { serialization_format: 'JSON_FORMAT', value: JSON.stringify(value) },
  };
}

export function fromWireAssessment(wire: WireAssessment): AssessmentRecord {
  const type = wire.source?.source_type;
  const record: AssessmentRecord = {
    id: wire.assessment_id ?? '',
    name: wire.assessment_name,
    kind: wire.expectation ? 'expectation' : 'feedback',
    source: {
      type: type === 'HUMAN' || type === 'LLM_JUDGE' ? type : 'CODE',
      id: wire.source?.source_id ?? '',
    },
  };
  const serialized = wire.expectation?.serialized_value;
  const value = serialized
    ? parseJson(serialized.value)
    : (wire.expectation ?? wire.feedback)?.value;
  if (value !== undefined) record.value = value;
  const error = wire.feedback?.error;
  if (error) record.error = { code: error.error_code ?? '', message: error.error_message ?? '' };
  if (wire.rationale !== undefined) record.rationale = wire.rationale;
  if (wire.span_id !== undefined) record.spanId = wire.span_id;
  if (wire.metadata) record.metadata = wire.metadata;
  return record;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * `POST …/assessments`. Repeating it changes nothing: a second insert of the id breaks a constraint of
 * the server's database (400 or 500, by release), and the one that is there is the answer.
 */
export async function createAssessment(
  connection: Connection,
  traceId: string,
  record: AssessmentRecord,
): Promise<AssessmentRecord> {
  try {
    const request = {
      method: 'POST',
      path: `${traceRequestPath(traceId)}/assessments`,
      body: { assessment: toWireAssessment(record, traceId) },
    } as const;
    const assessment = await callFor<WireAssessment>(connection, request, 'assessment');
    return reading(request, () => fromWireAssessment(assessment));
  } catch (error) {
    if (!(error instanceof MlflowApiError) || error.status === 404) throw error;
    const existing = await getAssessment(connection, traceId, record.id).catch(() => undefined);
    if (!existing) throw error;
    return existing;
  }
}

/** `GET …/assessments/{id}`; `undefined` when the trace has none of that id. */
async function getAssessment(
  connection: Connection,
  traceId: string,
  assessmentId: string,
): Promise<AssessmentRecord | undefined> {
  try {
    const request = {
      method: 'GET',
      path: `${traceRequestPath(traceId)}/assessments/${pathPart('the id of an assessment', assessmentId)}`,
    } as const;
    const assessment = await callFor<WireAssessment>(connection, request, 'assessment');
    return reading(request, () => fromWireAssessment(assessment));
  } catch (error) {
    if (error instanceof MlflowApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** `DELETE …/assessments/{id}`. */
export async function deleteAssessment(
  connection: Connection,
  traceId: string,
  assessmentId: string,
): Promise<void> {
  await call(connection, {
    method: 'DELETE',
    path: `${traceRequestPath(traceId)}/assessments/${pathPart('the id of an assessment', assessmentId)}`,
  });
}
