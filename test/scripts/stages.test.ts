import { describe, expect, it } from 'vitest';
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
    expect(countTests(json, 1)).toEqual({ passed: 5, failed: 2, skipped: 4 });
  });

  it('counts a file that could not be loaded as a failure', () => {
    const json = report({ testResults: [{ status: 'failed', assertionResults: [] }] });
    expect(countTests(json, 1)).toEqual({ passed: 5, failed: 1, skipped: 0 });
  });

  it('counts an error outside of every test as a failure', () => {
    expect(countTests(report({}), 1)).toEqual({ passed: 5, failed: 1, skipped: 0 });
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
