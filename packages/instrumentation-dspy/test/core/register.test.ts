import { beforeAll, describe, expect, it } from 'vitest';
import { buildPackage, runNode } from '../support/built.js';

const REGISTER = '@hokusai/instrumentation-dspy/register';
const CONSOLE = { OTEL_TRACES_EXPORTER: 'console' };
const ANSWER = 'answer: four, true, true';

beforeAll(buildPackage, 120_000);

/** Names of the spans that were printed, children first. */
function spanNames(stdout: string): string[] {
  return [...stdout.matchAll(/^ {2}name: '(.*)',$/gm)].map(([, name]) => name as string);
}

const SPANS = ['chat', 'invoke_workflow AxGen(question -> answer)', 'invoke_workflow Own'];

describe('registration alone traces', () => {
  it.each([
    ['an ES module by --import', ['--import', REGISTER, 'app.mjs']],
    ['a CommonJS module by --import', ['--import', REGISTER, 'app.cjs']],
    ['a CommonJS module by --require', ['--require', REGISTER, 'app.cjs']],
    ['an ES module by --require', ['--require', REGISTER, 'app.mjs']],
    ['once when given twice', ['--import', REGISTER, '--require', REGISTER, 'app.mjs']],
  ])('%s', async (_name, args) => {
    const { code, stdout, stderr } = await runNode(args, CONSOLE);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain(ANSWER);
    expect(spanNames(stdout)).toEqual(SPANS);
  });

  it('in an SDK of the application', async () => {
    const { stdout } = await runNode(['--import', './otel.mjs', 'app.mjs']);
    expect(stdout).toContain(ANSWER);
    expect(spanNames(stdout)).toEqual(SPANS);
  });

  it('beside an SDK of the application that was there first', async () => {
    const args = ['--import', './otel.mjs', '--import', REGISTER, 'app.mjs'];
    const { code, stdout } = await runNode(args, CONSOLE);
    expect(code).toBe(0);
    expect(spanNames(stdout)).toEqual(SPANS);
  });
});

describe('the environment turns it off', () => {
  it.each([
    [{ OTEL_SDK_DISABLED: 'true' }],
    [{ OTEL_SDK_DISABLED: ' TRUE ' }],
    [{ OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http, dspy' }],
    [{ OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,grpc' }],
    [{ OTEL_TRACES_EXPORTER: 'none' }],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }],
    [{ DSPY_OTEL_SETUP_SDK: 'false' }],
  ])('%j', async (env) => {
    const { code, stdout } = await runNode(['--import', REGISTER, 'app.mjs'], {
      ...CONSOLE,
      ...env,
    });
    expect(code).toBe(0);
    expect(stdout.trim()).toBe(ANSWER);
  });

  it('and on by name', async () => {
    const { stdout } = await runNode(['--import', REGISTER, 'app.mjs'], {
      ...CONSOLE,
      OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,dspy',
    });
    expect(spanNames(stdout)).toEqual(SPANS);
  });
});

describe('an exporter without a server', () => {
  it('does not change what the program prints or how it ends', async () => {
    const { code, stdout } = await runNode(['--import', REGISTER, 'app.mjs'], {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    });
    expect(code).toBe(0);
    expect(stdout.trim()).toBe(ANSWER);
  }, 60_000);
});
