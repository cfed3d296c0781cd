import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/cache.mjs';
import { countTests, summary } from '../../scripts/lib/stages.mjs';

const report = (fields: object) =>
  JSON.stringify({
    numPassedTests: 5,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    testResults: [],
    ...fields,
  });

describe('counts of a test report', () => {
  it('takes the totals', () => {
    const json = report({ numFailedTests: 2, numPendingTests: 3, numTodoTests: 1 });
    expect(countTests(json, 1)).toEqual({ passed: 5, failed: 2, skipped: 4, failures: [] });
  });

  it('counts a file that could not be loaded as a failure', () => {
    const broken = { name: join(ROOT, 'a.test.ts'), status: 'failed', message: 'no such\nmodule' };
    const json = report({ testResults: [{ ...broken, assertionResults: [] }] });
    const failures = ['a.test.ts: could not be loaded: no such'];
    expect(countTests(json, 1)).toEqual({ passed: 5, failed: 1, skipped: 0, failures });
  });

  it('names what failed, and the first line of why', () => {
    const assertionResults = [
      { status: 'passed', fullName: 'adds', failureMessages: [] },
      {
        status: 'failed',
        fullName: 'takes away',
        failureMessages: ['expected 1\n    at a.test.ts'],
      },
    ];
    const file = { name: join(ROOT, 'test/a.test.ts'), status: 'failed', assertionResults };
    expect(countTests(report({ numFailedTests: 1, testResults: [file] }), 1).failures).toEqual([
      'test/a.test.ts: takes away: expected 1',
    ]);
  });

  it('counts an error outside of every test as a failure', () => {
    expect(countTests(report({}), 1)).toMatchObject({ passed: 5, failed: 1, skipped: 0 });
  });
});

describe('the last line', () => {
  it('names passed and failed, and skipped only where there are some', () => {
    expect(
      summary([
        { passed: 2, failed: 1 },
        { passed: 3, failed: 0 },
      ]),
    ).toBe('5 passed, 1 failed');
    expect(summary([{ passed: 2, failed: 0, skipped: 4 }])).toBe('2 passed, 0 failed, 4 skipped');
  });
});
