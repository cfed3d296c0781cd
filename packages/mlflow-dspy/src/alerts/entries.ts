import { warnOnce } from '../log.js';

/**
 * What an application set for a part of alerts, `undefined` values left out. Never throws: it is the
 * application's call.
 */
export function entriesOf(owner: string, settings: unknown): [string, unknown][] {
  try {
    const entries: [string, unknown][] = Object.entries(settings ?? {});
    return entries.filter(([, value]) => value !== undefined);
  } catch {
    warnOnce(`${owner} cannot be read; none of them has an effect.`);
    return [];
  }
}
