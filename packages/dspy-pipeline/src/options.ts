import type { z } from 'zod';
import { suggest } from './suggest.js';

/**
 * Holds the options of a constructor against their schema.
 *
 * @throws TypeError naming every option that is unknown or wrong, and what it must be.
 */
export function readOptions<S extends z.ZodObject>(
  owner: string,
  schema: S,
  options: unknown,
): z.infer<S> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      const known = Object.keys(schema.shape);
      return issue.keys.map((key) => `option ${key} is unknown${suggest(key, known)}`);
    }
    const name = issue.path.join('.');
    return [name === '' ? issue.message : `option ${name}: ${issue.message}`];
  });
  throw new TypeError(`${owner}: ${problems.join('; ')}`);
}
