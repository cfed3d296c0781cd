import { z } from 'zod';
import { readOptions } from '../options.js';
import type { ExecutorLogger, LogLevel, PipelineExecutorOptions } from './types.js';

/** Node's timers go no further, and fire at once instead. */
export const MAX_TIMEOUT_S = 2_147_483;

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

const object = z.custom<object>((value) => typeof value === 'object' && value !== null, {
  message: 'must be an object',
});
const seconds = z.number().positive();
/** The cache reserves room for all of them when it is made. */
const MAX_CACHE_ENTRIES = 1_000_000;

const optionsSchema = z.strictObject({
  ai: object.optional(),
  models: z.record(z.string(), z.unknown()).optional(),
  cacheEnabled: z.boolean().optional(),
  cacheMaxEntries: z.int().min(1).max(MAX_CACHE_ENTRIES).optional(),
  cacheMaxBytes: z.int().min(1).optional(),
  cacheTtl: seconds.optional(),
  mlflowTracking: z.boolean().optional(),
  trackingUri: z.string().min(1).optional(),
  experimentName: z.string().min(1).optional(),
  timeout: seconds.max(MAX_TIMEOUT_S).optional(),
  maxRetries: z.int().min(0).max(100).optional(),
  maxWorkers: z.int().min(1).max(10_000).optional(),
  logLevel: z.enum(LOG_LEVELS).optional(),
  logger: object.optional(),
});

/** Options with environment and defaults applied. */
export interface ExecutorConfig {
  readonly cacheEnabled: boolean;
  readonly cacheMaxEntries: number;
  readonly cacheMaxBytes: number;
  /** Milliseconds; 0 without limit. */
  readonly cacheTtlMs: number;
  readonly mlflowTracking: boolean;
  readonly trackingUri: string | undefined;
  /** As given in the options; the environment and the default are for a new `autolog()` alone. */
  readonly experimentName: string | undefined;
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly maxWorkers: number;
  readonly log: ExecutorLogger;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Options before environment before defaults.
 *
 * @throws TypeError naming every option that is unknown or wrong. A wrong environment variable is
 *   warned of and left out.
 */
export function resolveConfig(
  options: PipelineExecutorOptions,
  env: Environment = process.env,
): ExecutorConfig {
  const checked = readOptions('DspyPipelineExecutor', optionsSchema, options);
  const logger = options.logger ?? console;
  const fromEnv = readEnvironment(env, logger);
  return {
    cacheEnabled: checked.cacheEnabled ?? true,
    cacheMaxEntries: checked.cacheMaxEntries ?? 1000,
    cacheMaxBytes: checked.cacheMaxBytes ?? 64 * 1024 * 1024,
    // In whole milliseconds, as the cache wants them; 0 would be no limit.
    cacheTtlMs: Math.ceil((checked.cacheTtl ?? 0) * 1000),
    mlflowTracking: checked.mlflowTracking ?? true,
    trackingUri: checked.trackingUri,
    experimentName: checked.experimentName,
    timeoutMs: (checked.timeout ?? 300) * 1000,
    maxRetries: checked.maxRetries ?? 1,
    maxWorkers: checked.maxWorkers ?? fromEnv.maxWorkers ?? 4,
    log: filterLogger(logger, checked.logLevel ?? fromEnv.logLevel ?? 'warn'),
  };
}

function readEnvironment(
  env: Environment,
  logger: ExecutorLogger,
): { maxWorkers?: number; logLevel?: LogLevel } {
  const workers = env.MAX_WORKERS?.trim();
  const level = env.PIPELINE_LOG_LEVEL?.trim().toLowerCase();
  const maxWorkers = workers && /^\d+$/.test(workers) ? Number(workers) : 0;
  const logLevel = LOG_LEVELS.find((known) => known === (LEVEL_ALIASES[level ?? ''] ?? level));
  if (workers && maxWorkers < 1) {
    warn(logger, `MAX_WORKERS=${workers} is ignored: it must be a whole number of at least 1`);
  }
  if (level && !logLevel) {
    warn(
      logger,
      `PIPELINE_LOG_LEVEL=${level} is ignored: it must be one of ${LOG_LEVELS.join(', ')}`,
    );
  }
  return { ...(maxWorkers >= 1 && { maxWorkers }), ...(logLevel && { logLevel }) };
}

/** What Python calls the levels. */
const LEVEL_ALIASES: Readonly<Record<string, LogLevel>> = {
  warning: 'warn',
  critical: 'error',
  off: 'silent',
};

const PREFIX = '[dspy-pipeline]';

function warn(logger: ExecutorLogger, message: string): void {
  filterLogger(logger, 'warn').warn(message);
}

/** Drops what is below a level; a logger that throws or rejects is not the execution's problem. */
function filterLogger(logger: ExecutorLogger, least: LogLevel): ExecutorLogger {
  const write = (level: Exclude<LogLevel, 'silent'>) => (message: string) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return;
    try {
      const written: unknown = logger[level](`${PREFIX} ${message}`);
      if (written !== undefined) Promise.resolve(written).catch(() => {});
    } catch {}
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
}
