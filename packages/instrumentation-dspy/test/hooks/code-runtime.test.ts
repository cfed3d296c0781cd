import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it, vi } from 'vitest';
import { scenarioReply } from '../../../../test/support/scenario-replies.js';
import { describeMajors } from '../support/majors.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

// biome-ignore lint/suspicious/noExplicitAny: what Ax hands to a runtime
type Globals = any;

/** Calls the tool of the agent, and then ends the stage. */
async function run(globals: Globals, code: string): Promise<unknown> {
  if (code.includes('kb.lookup')) return String(await globals.kb.lookup({ key: 'k1' }));
  if (code.includes('final(')) await globals.final('lookup key k1', {});
  return undefined;
}

function runtimeOf(execute: (globals: Globals, code: string) => unknown) {
  return {
    getUsageInstructions: () => '',
    createSession: (globals: Globals) =>
      Object.freeze({
        execute: (code: string) => execute(globals, code),
        patchGlobals: async (patch: object) => void Object.assign(globals, patch),
        close: () => {},
      }),
  };
}

/** Does its work when it is awaited, each time. */
class LazyPromise extends Promise<unknown> {
  constructor(private readonly work: () => Promise<unknown>) {
    super(() => {});
  }

  // biome-ignore lint/suspicious/noThenProperty: it is what is tested
  // biome-ignore lint/suspicious/noExplicitAny: hands on whatever it is given
  override then(onValue: any, onError: any): any {
    return this.work().then(onValue, onError);
  }
}

describeMajors(
  'a code runtime of the user',
  [19, 23, 24],
  (bench) => {
    const forward = (runtime: object, lookups: string[] = []) => {
      const { ax, major, service } = bench();
      const tool = {
        name: 'lookup',
        namespace: 'kb',
        description: 'Looks up the value of a key',
        parameters: {
          type: 'object',
          properties: { key: { type: 'string', description: 'the key' } },
          required: ['key'],
        },
        returns: { type: 'string' },
        func: async ({ key }: { key: string }) => {
          lookups.push(key);
          return `val-${key}`;
        },
      };
      const agent = ax.agent('query:string -> answer:string', {
        contextFields: [],
        functions: major < 23 ? { local: [tool] } : [tool],
        agentIdentity: { name: 'KB Agent', description: 'Answers questions from a knowledge base' },
        runtime,
      });
      return agent.forward(service(), { query: 'k1?' });
    };

    it.each([
      ['is a subclass', (session: object) => session],
      [
        'hands its code on to another',
        // biome-ignore lint/suspicious/noExplicitAny: the types of Ax differ from major to major
        (session: any) => ({
          ...Object.fromEntries(
            ['patchGlobals', 'inspectGlobals', 'snapshotGlobals', 'close'].map((name) => [
              name,
              (...args: unknown[]) => session[name](...args),
            ]),
          ),
          execute: (code: string, options: object) => session.execute(code, options),
        }),
      ],
    ])('that %s runs each piece of code once', async (_, sessionFrom) => {
      const { ax, tracing } = bench();
      class Runtime extends ax.AxJSRuntime {
        createSession(globals: object, options: object) {
          return sessionFrom(super.createSession(globals, options));
        }
      }
      expect(await forward(new Runtime())).toEqual({ answer: 'val-k1' });
      expect(tracing.tree()).toContain('  execute_tool javascript\n    execute_tool kb.lookup\n');
      expect(tracing.tree()).not.toContain('    execute_tool javascript');
    });

    it('may give globals by getters', async () => {
      const { ax, tracing } = bench();
      class Clock extends ax.AxJSRuntime {
        createSession(globals: object, options: object) {
          const now = { get: () => 1, enumerable: true, configurable: true };
          return super.createSession(Object.defineProperty({ ...globals }, 'now', now), options);
        }
      }
      expect(await forward(new Clock())).toEqual({ answer: 'val-k1' });
      expect(tracing.tree()).toContain('  execute_tool javascript\n    execute_tool kb.lookup\n');
    });

    it.each([
      [
        'a promise that starts when it is awaited',
        (work: () => Promise<unknown>) => new LazyPromise(work),
      ],
      [
        'a thenable',
        (work: () => Promise<unknown>) => ({
          // biome-ignore lint/suspicious/noThenProperty: it is what is tested
          then: (...then: Parameters<Promise<unknown>['then']>) => work().then(...then),
        }),
      ],
    ])('whose result is %s runs it once, with its tools below', async (_, resultOf) => {
      const { tracing } = bench();
      const lookups: string[] = [];
      const runtime = runtimeOf((globals, code) => resultOf(() => run(globals, code)));
      await forward(runtime, lookups);
      expect(lookups).toEqual(['k1']);
      expect(tracing.tree()).toContain('  execute_tool javascript\n    execute_tool kb.lookup\n');
    });

    it('starts no spans once the methods of Ax are put back', async () => {
      const { tracing } = bench();
      const lookups: string[] = [];
      const runtime = runtimeOf((globals, code) => {
        if (code.includes('kb.lookup')) tracing.instrumentation.disable();
        return run(globals, code);
      });
      await forward(runtime, lookups);
      tracing.instrumentation.enable();
      expect(lookups).toEqual(['k1']);
      expect(tracing.tree()).not.toContain('kb.lookup');
      const [last] = tracing.spans().slice(-1);
      expect(last?.attributes['input.value']).toContain('kb.lookup');
    });

    it('is not held when its program lets go of it', async () => {
      const references: WeakRef<object>[] = [];
      const forwardOnce = async () => {
        const runtime = runtimeOf(run);
        references.push(new WeakRef(runtime));
        await forward(runtime);
      };
      for (let turn = 0; turn < 3; turn++) await forwardOnce();
      await vi.waitFor(() => {
        gc();
        expect(references.map((reference) => reference.deref())).toContain(undefined);
      });
    });
  },
  scenarioReply,
);
