import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { MlflowDspyConfig } from '../config/config.js';
import type { Environment } from '../config/resolve.js';
import { warnOnce } from '../log.js';

const HOMELESS =
  'This user has no home folder, so there is no spool: what the server cannot take is dropped. Name a folder with spoolDirectory, MLFLOW_DSPY_SPOOL_DIRECTORY or XDG_STATE_HOME, or set spool to false.';

/**
 * Where the spool is unless the configuration says: one folder per server and workspace, so that what
 * was meant for one is never delivered to another. `undefined` where no server is named, or no folder
 * of the user's is known.
 */
export function spoolDirectory(
  { trackingUri, workspace }: Pick<MlflowDspyConfig, 'trackingUri' | 'workspace'>,
  env: Environment,
): string | undefined {
  const server = serverOf(trackingUri);
  if (server === undefined) return undefined;
  const state = env.XDG_STATE_HOME?.trim() || stateBelowHome();
  if (state === undefined) {
    warnOnce(HOMELESS);
    return undefined;
  }
  const target = JSON.stringify([server, workspace ?? env.MLFLOW_WORKSPACE?.trim() ?? '']);
  const name = createHash('sha256').update(target).digest('hex').slice(0, 16);
  return join(state, 'mlflow-dspy', name);
}

/** One spelling for each server, as the exporter reads it: without user info, query and slash at the end. */
function serverOf(trackingUri: string): string | undefined {
  const text = trackingUri.trim();
  if (!/^https?:/i.test(text) || !URL.canParse(text)) return undefined;
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname}`.replace(/\/+$/, '');
}

/** `undefined` for a user without a home, such as a container's bare uid, where `homedir` throws. */
function stateBelowHome(): string | undefined {
  try {
    const home = homedir();
    return isAbsolute(home) ? join(home, '.local', 'state') : undefined;
  } catch {
    return undefined;
  }
}
