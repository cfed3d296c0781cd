import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/cache.mjs';

const PAGE = 'docs/field-reports.md';
const COLUMNS = ['reported elsewhere', 'source', 'must be true here', 'test'];
/** Opens the cell of a report that cannot apply; the reason follows. */
const NO_TEST = /^— (?=\S)/;
/** A link to the file, then the test's title, perhaps behind that of its group and before its case: `` › `…` `` each. */
const TEST = /^\[[^\]]+\]\(([^)]+)\)((?: › `[^`]+`)+)$/;

/** Cells of every row of the page's tables, without heads and rules. */
function rowsOf(page: string): string[][] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.slice(1, -1).split('|'))
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter((cells) => cells[0] !== COLUMNS[0] && !/^:?-+$/.test(cells[0] ?? ''));
}

/** First arguments of the tests and stages of a file, and all other strings, as they are written there. */
function namesIn(source: string): { titles: Set<string>; strings: Set<string> } {
  const titles = new Set<string>();
  // `it('…`, `it.each(…)('…`: the title is the first string after the last bracket that opens a call.
  for (const [, , title] of source.matchAll(
    /(?:\b(?:it|test|stages\.run)|[\])]|\.each)\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs,
  )) {
    titles.add(unescaped(title as string));
  }
  const strings = new Set(
    [...source.matchAll(/(['"`])((?:\\.|(?!\1)[^\n])*)\1/g)].map(([, , text]) =>
      unescaped(text as string),
    ),
  );
  for (const [, key] of source.matchAll(/^\s+(\w+): /gm)) strings.add(key as string);
  return { titles, strings };
}

const unescaped = (text: string): string => text.replace(/\\(['"`])/g, '$1');

/** What is wrong with the cell of a test; empty when nothing is. */
function problemsOf(cell: string): string[] {
  if (NO_TEST.test(cell)) return [];
  return cell.split('<br>').flatMap((named) => {
    const [, link, words] = TEST.exec(named) ?? [];
    if (link === undefined || words === undefined) return [`no test and no reason: "${named}"`];
    const path = join(ROOT, dirname(PAGE), link);
    if (!existsSync(path)) return [`no file: ${link}`];
    const { titles, strings } = namesIn(readFileSync(path, 'utf8'));
    const names = [...words.matchAll(/`([^`]+)`/g)].map(([, word]) => word as string);
    const missing = names.filter((name) => !titles.has(name) && !strings.has(name));
    const isTest = names.some((name) => titles.has(name));
    return [
      ...missing.map((name) => `no "${name}" in ${link}`),
      ...(isTest || missing.length > 0 ? [] : [`no test among "${names.join('", "')}" in ${link}`]),
    ];
  });
}

describe(PAGE, () => {
  const page = readFileSync(join(ROOT, PAGE), 'utf8');
  const rows = rowsOf(page);

  it('has for every report what was reported, a source, what must be true, and a test or a reason', () => {
    expect(rows.length).toBeGreaterThan(120);
    expect(rows.filter((cells) => cells.length !== 4 || cells.includes(''))).toEqual([]);
  });

  it('names tests that are there', () => {
    expect(rows.flatMap(([, , , test]) => problemsOf(test ?? ''))).toEqual([]);
  });

  it('has no report twice', () => {
    const reports = rows.map(([reported]) => reported);
    expect(reports.filter((one, index) => reports.indexOf(one) !== index)).toEqual([]);
  });

  it('would see a test that was renamed, moved or left out', () => {
    const own = '../test/scripts/field-reports.test.ts';
    expect(problemsOf(`[x](${own}) › \`names tests that are there\``)).toEqual([]);
    expect(problemsOf(`[x](${own}) › \`names tests that were there\``)).toHaveLength(1);
    expect(problemsOf(`[x](${own}) › \`names tests that are there\` › \`of a case\``)).toHaveLength(
      1,
    );
    expect(problemsOf('[x](../test/nowhere.test.ts) › `a title`')).toHaveLength(1);
    expect(problemsOf('')).toHaveLength(1);
    expect(problemsOf('— ')).toHaveLength(1);
    expect(problemsOf('— it has no such thing')).toEqual([]);
  });
});
