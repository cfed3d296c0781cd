import { setTimeout as sleep } from 'node:timers/promises';

/** A span as the server's REST API and page have it; JSON values are parsed. */
export interface StoredSpan {
  id: string;
  parentId: string | undefined;
  name: string;
  type: string;
  inputs: unknown;
  outputs: unknown;
  status: { code: string; message: string };
  startNanos: bigint;
  endNanos: bigint;
  attributes: Record<string, unknown>;
  events: { name: string; attributes: Record<string, unknown> }[];
  children: StoredSpan[];
}

export interface StoredAssessment {
  name: string;
  value: unknown;
  rationale?: string | undefined;
  source: { source_type: string; source_id: string };
}

export interface StoredTrace {
  id: string;
  name: string | undefined;
  state: string;
  experimentId: string;
  durationMs: number;
  requestPreview: string | undefined;
  responsePreview: string | undefined;
  clientRequestId: string | undefined;
  tokens: Record<string, number> | undefined;
  cost: Record<string, number> | undefined;
  session: string | undefined;
  user: string | undefined;
  tags: Record<string, string>;
  metadata: Record<string, string>;
  assessments: StoredAssessment[];
  /** Spans without a parent in this trace, each with its children in order of start. */
  roots: StoredSpan[];
}

export interface StoredRun {
  id: string;
  name: string;
  status: string;
  experimentId: string;
  params: Record<string, string>;
  metrics: Record<string, number>;
  tags: Record<string, string>;
}

/** Reads what a server has by its REST API alone, independent of the client under test. */
export class MlflowRest {
  constructor(private readonly url: string) {}

  async experimentId(name: string): Promise<string | undefined> {
    const query = new URLSearchParams({ experiment_name: name });
    const response = await fetch(`${this.url}/api/2.0/mlflow/experiments/get-by-name?${query}`);
    if (response.status === 404) return undefined;
    const { experiment } = (await json(response)) as { experiment: { experiment_id: string } };
    return experiment.experiment_id;
  }

  /** Waits until an experiment has `count` finished traces; returns all, oldest first, with their spans. */
  async traces(experiment: string, count: number, timeoutMs = 20_000): Promise<StoredTrace[]> {
    for (const deadline = Date.now() + timeoutMs; ; await sleep(100)) {
      const infos = await this.#traceInfos(experiment);
      const finished = infos.filter(({ state }) => state !== 'IN_PROGRESS');
      if (finished.length >= count) {
        const traces = await Promise.all(infos.map((info) => this.#withSpans(info)));
        // Those of one millisecond come in any order.
        return traces.sort((a, b) => Number(startOf(a) - startOf(b)));
      }
      if (Date.now() > deadline) {
        throw new Error(`${finished.length} of ${count} finished traces in "${experiment}"`);
      }
    }
  }

  /** Starts a run in an experiment, which is made when absent; resolves with the run's id. */
  async startRun(experiment: string, name: string): Promise<string> {
    let id = await this.experimentId(experiment);
    if (id === undefined) {
      const made = await this.#post('/api/2.0/mlflow/experiments/create', { name: experiment });
      id = (made as { experiment_id: string }).experiment_id;
    }
    const { run } = (await this.#post('/api/2.0/mlflow/runs/create', {
      experiment_id: id,
      run_name: name,
      start_time: Date.now(),
    })) as { run: RunJson };
    return run.info.run_id;
  }

  async endRun(runId: string): Promise<void> {
    const update = { run_id: runId, status: 'FINISHED', end_time: Date.now() };
    await this.#post('/api/2.0/mlflow/runs/update', update);
  }

  /** Runs of an experiment, oldest first. */
  async runs(experiment: string): Promise<StoredRun[]> {
    const id = await this.experimentId(experiment);
    if (id === undefined) return [];
    const { runs = [] } = (await this.#post('/api/2.0/mlflow/runs/search', {
      experiment_ids: [id],
      order_by: ['attributes.start_time ASC'],
    })) as { runs?: RunJson[] };
    return runs.map(({ info, data }) => ({
      id: info.run_id,
      name: info.run_name,
      status: info.status,
      experimentId: info.experiment_id,
      params: pairs(data.params),
      metrics: pairs(data.metrics),
      tags: pairs(data.tags),
    }));
  }

  /** All values of a metric, as `[step, value]`. */
  async metricHistory(runId: string, key: string): Promise<[number, number][]> {
    const query = new URLSearchParams({ run_id: runId, metric_key: key });
    const response = await fetch(`${this.url}/api/2.0/mlflow/metrics/get-history?${query}`);
    const { metrics = [] } = (await json(response)) as {
      metrics?: { step?: number | string; value: number }[];
    };
    return metrics.map(({ step = 0, value }) => [Number(step), value]);
  }

  /** Text of an artifact of a run; `undefined` when it has none of this name. */
  async artifact(run: StoredRun, name: string): Promise<string | undefined> {
    const path = `${run.experimentId}/${run.id}/artifacts/${name}`;
    const response = await fetch(`${this.url}/api/2.0/mlflow-artifacts/artifacts/${path}`);
    return response.ok ? response.text() : undefined;
  }

  /** Ids of the traces that the server finds by a run. */
  async traceIdsOfRun(experiment: string, runId: string): Promise<string[]> {
    const infos = await this.#traceInfos(experiment, `metadata.\`mlflow.sourceRun\` = '${runId}'`);
    return infos.map(({ trace_id }) => trace_id);
  }

  async #traceInfos(experiment: string, filter?: string): Promise<TraceInfoJson[]> {
    const id = await this.experimentId(experiment);
    if (id === undefined) return [];
    const { traces = [] } = (await this.#post('/api/3.0/mlflow/traces/search', {
      locations: [{ type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: id } }],
      max_results: 200,
      order_by: ['timestamp_ms ASC'],
      ...(filter !== undefined && { filter }),
    })) as { traces?: TraceInfoJson[] };
    return traces;
  }

  async #withSpans({ trace_id }: TraceInfoJson): Promise<StoredTrace> {
    const response = await fetch(`${this.url}/api/3.0/mlflow/traces/${trace_id}`);
    const { trace } = (await json(response)) as { trace: { trace_info: TraceInfoJson } };
    const info = trace.trace_info;
    const query = new URLSearchParams({ request_id: trace_id });
    const artifact = await fetch(`${this.url}/ajax-api/3.0/mlflow/get-trace-artifact?${query}`);
    const { spans } = (await json(artifact)) as { spans: SpanJson[] };
    const metadata = info.trace_metadata ?? {};
    const tags = info.tags ?? {};
    return {
      id: trace_id,
      name: tags['mlflow.traceName'],
      state: info.state,
      experimentId: info.trace_location.mlflow_experiment.experiment_id,
      durationMs: Number.parseFloat(info.execution_duration ?? '0') * 1000,
      requestPreview: info.request_preview,
      responsePreview: info.response_preview,
      clientRequestId: info.client_request_id,
      tokens: parse(metadata['mlflow.trace.tokenUsage']) as Record<string, number> | undefined,
      cost: parse(metadata['mlflow.trace.cost']) as Record<string, number> | undefined,
      session: metadata['mlflow.trace.session'],
      user: metadata['mlflow.trace.user'],
      tags,
      metadata,
      assessments: (info.assessments ?? []).map((assessment) => ({
        name: assessment.assessment_name,
        value: assessment.feedback?.value,
        rationale: assessment.rationale,
        source: assessment.source,
      })),
      roots: toTree(spans),
    };
  }

  async #post(path: string, body: object): Promise<unknown> {
    return json(
      await fetch(`${this.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    );
  }
}

const startOf = ({ roots }: StoredTrace): bigint => roots[0]?.startNanos ?? 0n;

/** All spans of a tree, parents before children. */
export function flatten(spans: readonly StoredSpan[]): StoredSpan[] {
  return spans.flatMap((span) => [span, ...flatten(span.children)]);
}

interface TraceInfoJson {
  trace_id: string;
  trace_location: { mlflow_experiment: { experiment_id: string } };
  state: string;
  execution_duration?: string;
  request_preview?: string;
  response_preview?: string;
  client_request_id?: string;
  trace_metadata?: Record<string, string>;
  tags?: Record<string, string>;
  assessments?: {
    assessment_name: string;
    feedback?: { value?: unknown };
    rationale?: string;
    source: StoredAssessment['source'];
  }[];
}

interface SpanJson {
  span_id: string;
  parent_span_id: string | null;
  name: string;
  start_time_unix_nano: number | string;
  end_time_unix_nano: number | string;
  status: { code: string; message?: string };
  attributes: Record<string, string>;
  events?: { name: string; attributes?: Record<string, unknown> }[];
}

interface RunJson {
  info: { run_id: string; run_name: string; status: string; experiment_id: string };
  data: {
    params?: KeyValue<string>[];
    metrics?: KeyValue<number>[];
    tags?: KeyValue<string>[];
  };
}

interface KeyValue<T> {
  key: string;
  value: T;
}

async function json(response: Response): Promise<unknown> {
  if (!response.ok) {
    throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
  }
  return response.json();
}

function toTree(spans: readonly SpanJson[]): StoredSpan[] {
  const stored = spans.map((span): StoredSpan => {
    const attributes = Object.fromEntries(
      Object.entries(span.attributes).map(([key, value]) => [key, parse(value)]),
    );
    return {
      id: span.span_id,
      parentId: span.parent_span_id ?? undefined,
      name: span.name,
      type: String(attributes['mlflow.spanType']),
      inputs: attributes['mlflow.spanInputs'],
      outputs: attributes['mlflow.spanOutputs'],
      status: {
        code: span.status.code.replace('STATUS_CODE_', ''),
        message: span.status.message ?? '',
      },
      startNanos: BigInt(span.start_time_unix_nano),
      endNanos: BigInt(span.end_time_unix_nano),
      attributes,
      events: (span.events ?? []).map(({ name, attributes: values = {} }) => ({
        name,
        attributes: values,
      })),
      children: [],
    };
  });
  const byId = new Map(stored.map((span) => [span.id, span]));
  const roots: StoredSpan[] = [];
  for (const span of stored.sort((a, b) => Number(a.startNanos - b.startNanos))) {
    const parent = span.parentId === undefined ? undefined : byId.get(span.parentId);
    (parent?.children ?? roots).push(span);
  }
  return roots;
}

function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function pairs<T>(list: readonly KeyValue<T>[] = []): Record<string, T> {
  return Object.fromEntries(list.map(({ key, value }) => [key, value]));
}
