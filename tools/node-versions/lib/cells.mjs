// @ts-check
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const TOOLS = fileURLToPath(new URL('..', import.meta.url));

/** What an application of each OpenTelemetry line declares. */
export const LINES = /** @type {const} */ ({
  'no SDK': [],
  '2.x': ['@opentelemetry/api@~1.9.1', '@opentelemetry/sdk-node@0.223.0'],
  '3.x': ['@opentelemetry/api@~1.10.0', '@opentelemetry/sdk-node@0.301.0'],
});

/** @typedef {keyof typeof LINES} Line */
/** @typedef {'npm' | 'pnpm'} Manager */
/** @typedef {'together' | 'ours first'} Order `ours first`: the SDK comes to an application that has us */
/** @typedef {{ node: string, line: Line, manager: Manager, order: Order }} Cell */

/** SDK 3.x needs Node 22.15. */
const COMBINATIONS = /** @type {const} */ ([
  ['20', 'no SDK', 'together'],
  ['20', '2.x', 'together'],
  ['20', '2.x', 'ours first'],
  ['24', 'no SDK', 'together'],
  ['24', '2.x', 'together'],
  ['24', '3.x', 'together'],
  ['24', '3.x', 'ours first'],
  ['26', 'no SDK', 'together'],
  ['26', '3.x', 'together'],
]);

/** @type {Cell[]} */
export const CELLS = COMBINATIONS.flatMap(([node, line, order]) => [
  { node, line, order, manager: 'npm' },
  { node, line, order, manager: 'pnpm' },
]);

/**
 * Folder of a Node release of the matrix: 20.18.1 is the oldest supported, 24 and 26 are the newest.
 * @param {string} major
 */
export const nodeFolder = (major) => join(TOOLS, 'node_modules', nodePackage(major), 'bin');

/** @param {string} major */
const nodePackage = (major) => `node${major}-${process.platform}-${process.arch}`;

const MAJORS = [...new Set(CELLS.map(({ node }) => node))];

/** Whether the matrix has its Node releases for this kind of machine. */
export function hasNodeReleases() {
  const { optionalDependencies } = JSON.parse(readFileSync(join(TOOLS, 'package.json'), 'utf8'));
  return MAJORS.every((major) => nodePackage(major) in optionalDependencies);
}

export const areNodesInstalled = () => MAJORS.every((major) => existsSync(nodeFolder(major)));

export const PNPM = join(TOOLS, 'node_modules', 'pnpm', 'bin', 'pnpm.cjs');
