import type { ExperimentRef } from '../internal-types.js';
import type { Connection, ServerRequest } from './connection.js';
import { MlflowApiError } from './errors.js';
import { callFor, reading } from './rest.js';

/** An experiment (`GET /api/2.0/mlflow/experiments/get`). */
export interface ExperimentInfo {
  id: string;
  name: string;
  lifecycleStage: 'active' | 'deleted';
  artifactLocation?: string;
  tags: Record<string, string>;
}

/** An experiment that traces cannot go to; no retry helps. The message says what to do. */
export class ExperimentError extends Error {
  override readonly name = 'ExperimentError';
}

/** MLflow's own name for the experiment of those who name none. */
export const DEFAULT_EXPERIMENT_NAME = 'Default';

export interface ExperimentResolver {
  /**
   * Id of the experiment; one that is only named is created when absent. Answers are kept, and
   * concurrent questions share one request. Rejects with {@link ExperimentError} (deleted, unknown
   * id), `MlflowApiError` or `ConnectionError`; only the first is kept, for a minute.
   */
  resolve(experiment: ExperimentRef): Promise<string>;
  /** After the server said that a kept id is unknown. */
  forget(experiment: ExperimentRef): void;
}

const REFUSAL_KEPT_MS = 60_000;
const MAX_KEPT = 1_000;

export function createExperimentResolver(connection: Connection): ExperimentResolver {
  const known = new Map<string, Promise<string>>();
  const keyOf = ({ id, name }: ExperimentRef) =>
    id ? `id:${id}` : `name:${name || DEFAULT_EXPERIMENT_NAME}`;
  return {
    resolve(experiment) {
      const key = keyOf(experiment);
      const kept = known.get(key);
      if (kept) return kept;
      const found = lookUp(connection, experiment);
      if (known.size >= MAX_KEPT) known.delete(known.keys().next().value as string);
      known.set(key, found);
      found.catch((error: unknown) => {
        const drop = () => {
          if (known.get(key) === found) known.delete(key);
        };
        if (error instanceof ExperimentError) setTimeout(drop, REFUSAL_KEPT_MS).unref();
        else drop();
      });
      return found;
    },
    forget: (experiment) => {
      known.delete(keyOf(experiment));
    },
  };
}

async function lookUp(connection: Connection, { id, name }: ExperimentRef): Promise<string> {
  if (id) {
    const found = await getExperiment(connection, id);
    if (found) return activeId(found);
    throw new ExperimentError(
      `the MLflow server has no experiment with id ${id}; set experimentId (MLFLOW_EXPERIMENT_ID) to one it has, or experimentName (MLFLOW_EXPERIMENT_NAME)`,
    );
  }
  const wanted = name || DEFAULT_EXPERIMENT_NAME;
  const found = await getExperimentByName(connection, wanted);
  return found ? activeId(found) : createOrGet(connection, wanted);
}

/** Another process may create the same name between our look and our call. */
async function createOrGet(connection: Connection, name: string): Promise<string> {
  try {
    return await createExperiment(connection, name);
  } catch (error) {
    if (!(error instanceof MlflowApiError)) throw error;
    if (error.errorCode !== 'RESOURCE_ALREADY_EXISTS' && error.status < 500) throw error;
    const found = await getExperimentByName(connection, name);
    if (!found) throw error;
    return activeId(found);
  }
}

function activeId({ id, name, lifecycleStage }: ExperimentInfo): string {
  if (lifecycleStage === 'deleted') {
    throw new ExperimentError(
      `the MLflow experiment "${name}" (id ${id}) is deleted; restore it (mlflow experiments restore --experiment-id ${id}) or set another experiment`,
    );
  }
  return id;
}

interface WireExperiment {
  experiment_id: string;
  name: string;
  lifecycle_stage?: string;
  artifact_location?: string;
  tags?: { key: string; value: string }[];
}

function readExperiment(wire: WireExperiment): ExperimentInfo {
  if (typeof wire.experiment_id !== 'string') throw new TypeError('no experiment');
  return {
    id: wire.experiment_id,
    name: wire.name,
    lifecycleStage: wire.lifecycle_stage === 'deleted' ? 'deleted' : 'active',
    ...(wire.artifact_location ? { artifactLocation: wire.artifact_location } : {}),
    tags: Object.fromEntries((wire.tags ?? []).map(({ key, value }) => [key, value])),
  };
}

/** `undefined` when the server has none of that id. */
export async function getExperiment(
  connection: Connection,
  id: string,
): Promise<ExperimentInfo | undefined> {
  return find(connection, {
    method: 'GET',
    path: '/api/2.0/mlflow/experiments/get',
    query: { experiment_id: id },
  });
}

/** `undefined` when the server has none of that name. Deleted ones are found too: they keep their name. */
export async function getExperimentByName(
  connection: Connection,
  name: string,
): Promise<ExperimentInfo | undefined> {
  return find(connection, {
    method: 'GET',
    path: '/api/2.0/mlflow/experiments/get-by-name',
    query: { experiment_name: name },
  });
}

async function find(
  connection: Connection,
  request: ServerRequest,
): Promise<ExperimentInfo | undefined> {
  try {
    const wire = await callFor<WireExperiment>(connection, request, 'experiment');
    return reading(request, () => readExperiment(wire));
  } catch (error) {
    if (!(error instanceof MlflowApiError)) throw error;
    if (error.errorCode === 'RESOURCE_DOES_NOT_EXIST') return undefined;
    // What SQL stores say to an id that is not a number (400, or 500 before 3.10): none of that id either.
    if (/must be a valid integer|invalid literal for int/.test(error.reason)) return undefined;
    throw error;
  }
}

/** Id of the new experiment. Rejects with `RESOURCE_ALREADY_EXISTS` where the name is taken. */
async function createExperiment(
  connection: Connection,
  name: string,
  tags: Record<string, string> = {},
): Promise<string> {
  const request = {
    method: 'POST',
    path: '/api/2.0/mlflow/experiments/create',
    body: { name, tags: Object.entries(tags).map(([key, value]) => ({ key, value })) },
  } as const;
  return callFor<string>(connection, request, 'experiment_id');
}
