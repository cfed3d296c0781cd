import { DEFAULT_RESOURCE_ATTRIBUTES } from './mapping/resource.js';
import { nearest } from './nearest.js';
import { isPlainObject } from './plain-object.js';
import type { SpoolOptions } from './store/spool.js';
import type {
  DeliveryMode,
  DropReport,
  MlflowSpanExporterOptions,
  SpoolSettings,
} from './types.js';

/** Options of the exporter itself, checked and with their defaults; where the server is, is read by `resolveSettings`. */
export interface ExporterSettings {
  mode: DeliveryMode;
  spool: SpoolOptions | undefined;
  maxQueueBytes: number;
  maxSpansPerTrace: number;
  retryBudgetMs: number;
  /** The same while no server has ever been reached: most likely there is none. */
  firstRetryBudgetMs: number;
  remoteRootTimeoutMs: number;
  resourceAttributes: readonly string[];
  tags: Readonly<Record<string, string>>;
  metadata: Readonly<Record<string, string>>;
  shutdownTimeoutMs: number;
  onDrop: ((drop: DropReport) => void) | undefined;
}

const MODES: readonly DeliveryMode[] = ['auto', 'otlp', 'start+otlp'];
/** The SDK keeps the process for an export: no program ends much later because nobody runs a server. */
const FIRST_RETRY_BUDGET_MS = 5_000;
const LONGEST_MS = 24 * 60 * 60 * 1000;

/** Every option name; the type makes sure that none is missing or too many. */
const NAMES: Readonly<Record<keyof MlflowSpanExporterOptions, true>> = {
  trackingUri: true,
  username: true,
  password: true,
  token: true,
  serverCertPath: true,
  clientCertPath: true,
  clientKeyPath: true,
  insecureTls: true,
  workspace: true,
  requestTimeoutMs: true,
  headers: true,
  experimentId: true,
  experimentName: true,
  runId: true,
  mode: true,
  spool: true,
  maxQueueBytes: true,
  maxSpansPerTrace: true,
  retryBudgetMs: true,
  remoteRootTimeoutMs: true,
  resourceAttributes: true,
  tags: true,
  metadata: true,
  shutdownTimeoutMs: true,
  onDrop: true,
};

/**
 * Reads the exporter's own options. A name that does not exist and a value that cannot be used become
 * one warning each; the default takes the value's place.
 */
export function readOptions(options: MlflowSpanExporterOptions): {
  settings: ExporterSettings;
  warnings: string[];
} {
  const warnings: string[] = [];
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(NAMES, name)) warnings.push(unknownOption(name));
  }
  const refuse = (name: string, value: unknown, wanted: string, used: string): void => {
    warnings.push(`${name}: ${show(value)} is not ${wanted}; ${used} is used`);
  };
  const number = (
    name: keyof MlflowSpanExporterOptions & keyof ExporterSettings,
    fallback: number,
    min: number,
    max: number,
  ): number => {
    const value = options[name];
    if (value === undefined) return fallback;
    if (typeof value === 'number' && value >= min && value <= max) return Math.floor(value);
    refuse(name, value, `a number from ${min} to ${max}`, String(fallback));
    return fallback;
  };
  const retryBudgetMs = number('retryBudgetMs', 60_000, 0, LONGEST_MS);
  const settings: ExporterSettings = {
    mode: 'auto',
    spool: readSpool(options.spool, refuse),
    maxQueueBytes: number('maxQueueBytes', 64 * 1024 * 1024, 64 * 1024, Number.MAX_SAFE_INTEGER),
    maxSpansPerTrace: number('maxSpansPerTrace', 2_000, 10, 1_000_000),
    retryBudgetMs,
    firstRetryBudgetMs: options.retryBudgetMs === undefined ? FIRST_RETRY_BUDGET_MS : retryBudgetMs,
    remoteRootTimeoutMs: number('remoteRootTimeoutMs', 60_000, 1_000, LONGEST_MS),
    shutdownTimeoutMs: number('shutdownTimeoutMs', 5_000, 0, LONGEST_MS),
    resourceAttributes: DEFAULT_RESOURCE_ATTRIBUTES,
    tags: readLabels('tags', options.tags, refuse),
    metadata: readLabels('metadata', options.metadata, refuse),
    onDrop: undefined,
  };
  if (options.mode !== undefined) {
    if (MODES.includes(options.mode)) settings.mode = options.mode;
    else refuse('mode', options.mode, `one of ${MODES.join(', ')}`, 'auto');
  }
  const allowed = options.resourceAttributes;
  if (Array.isArray(allowed) && allowed.every((name) => typeof name === 'string')) {
    settings.resourceAttributes = [...allowed];
  } else if (allowed !== undefined) {
    // A misread allow-list must not let more through than was meant.
    settings.resourceAttributes = [];
    refuse('resourceAttributes', allowed, 'a list of attribute names', 'none');
  }
  if (typeof options.onDrop === 'function') settings.onDrop = options.onDrop;
  else if (options.onDrop !== undefined) {
    refuse('onDrop', options.onDrop, 'a function', 'none');
  }
  return { settings, warnings };
}

type Refuse = (name: string, value: unknown, wanted: string, used: string) => void;

function readSpool(
  spool: MlflowSpanExporterOptions['spool'],
  refuse: Refuse,
): SpoolOptions | undefined {
  if (spool === undefined || spool === false) return undefined;
  const given: SpoolSettings =
    typeof spool === 'object' && spool !== null ? spool : { directory: spool };
  if (typeof given.directory !== 'string' || given.directory.trim() === '') {
    refuse('spool', spool, 'a folder, { directory }, or false', 'none');
    return undefined;
  }
  const result: SpoolOptions = { directory: given.directory };
  for (const name of ['maxBytes', 'maxAgeMs'] as const) {
    const value = given[name];
    if (value === undefined) continue;
    if (typeof value === 'number' && value > 0) result[name] = value;
    else refuse(`spool.${name}`, value, 'a number above 0', 'the default');
  }
  for (const name of Object.keys(given)) {
    if (!['directory', 'maxBytes', 'maxAgeMs'].includes(name)) {
      refuse(`spool.${name}`, given[name as keyof SpoolSettings], 'an option', 'nothing');
    }
  }
  return result;
}

function readLabels(
  name: string,
  labels: Readonly<Record<string, string>> | undefined,
  refuse: Refuse,
): Record<string, string> {
  if (labels === undefined) return {};
  if (!isPlainObject(labels)) {
    refuse(name, labels, 'an object of texts', 'none');
    return {};
  }
  const clean: Record<string, string> = {};
  for (const [key, value] of Object.entries(labels)) {
    if (value === undefined || value === null) continue;
    if (typeof value === 'object') refuse(`${name}.${key}`, value, 'a text', 'none');
    else clean[key] = String(value);
  }
  return clean;
}

function unknownOption(name: string): string {
  const close = nearest(name, Object.keys(NAMES));
  return `the option "${name}" does not exist and has no effect${close ? `; did you mean "${close}"?` : ''}`;
}

/** A value for a message, never a secret's: the options with secrets are not read here. */
function show(value: unknown): string {
  try {
    const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
    return text.length > 80 ? `${text.slice(0, 80)}…` : text;
  } catch {
    return 'the value';
  }
}
