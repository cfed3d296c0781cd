import { type Answer, type ChatRequest, type Programs, tool } from './world.js';

const QUERY = { query: 'what is k1?' };

/** Plays the stages of an agent: distils, writes code that calls a tool, answers. */
function stages(code: string): Answer {
  return ({ chatPrompt }: ChatRequest) => {
    const [system = '', ...rest] = chatPrompt.map(({ content }) => JSON.stringify(content ?? ''));
    if (system.includes('Distiller')) return 'Javascript Code: await final("lookup key k1", {})';
    if (!/javascript/i.test(system)) return 'Answer: val-k1';
    return rest.join().includes('val-k1')
      ? 'Javascript Code: await final("answer", {v:"val-k1"})'
      : `Javascript Code: ${code}`;
  };
}

const LOOKUP = 'const r = await kb.lookUp({key:"k1"}); console.log(r)';

export const agents: Programs = {
  'an agent whose code calls a tool': ({ ax, model, note }) => {
    const func = async ({ key }: { key: string }) => {
      note('tool', key);
      return `val-${key}`;
    };
    return ax
      .agent('query:string -> answer:string', {
        contextFields: [],
        functions: [{ ...tool(func), namespace: 'kb', returns: { type: 'string' } } as never],
      })
      .forward(model(stages(LOOKUP)), QUERY);
  },

  'an agent whose tool fails': ({ ax, model, note }) => {
    let calls = 0;
    const func = () => {
      note('tool', ++calls);
      if (calls === 1) throw new TypeError('no such key: val-k1');
      return 'val-k1';
    };
    return ax
      .agent('query:string -> answer:string', {
        contextFields: [],
        functions: [{ ...tool(func), namespace: 'kb', returns: { type: 'string' } } as never],
      })
      .forward(model(stages(LOOKUP)), QUERY);
  },

  'an agent that streams': async ({ ax, model, note }) => {
    const stream = ax
      .agent('query:string -> answer:string', { contextFields: [] })
      .streamingForward(model(stages('await final("answer", {v:"val-k1"})')), QUERY);
    for await (const value of stream) note('read', value);
  },

  'an agent that asks back': ({ ax, model }) =>
    ax
      .agent('query:string -> answer:string', { contextFields: [] })
      .forward(model(stages('await askClarification("which key?")')), QUERY),

  'an agent whose model fails': ({ ax, model }) =>
    ax
      .agent('query:string -> answer:string', { contextFields: [] })
      .forward(model({ throws: new Error('down') }), QUERY),

  ...runtimes(),
};

/** Runtimes of the program's own, of every make. */
function runtimes(): Programs {
  return Object.fromEntries(
    (['plain', 'frozen', 'class'] as const).map((make) => [
      `an agent with a ${make} runtime of its own`,
      ({ ax, model, note }) => {
        const createSession = (globals: Record<string, unknown>) => {
          note('globals', Object.keys(globals).sort());
          const session = {
            async execute(code: string) {
              note('executed', code.slice(0, 24));
              if (code.includes('final(')) {
                const final = globals.final as (...args: unknown[]) => unknown;
                return final(
                  ...(code.includes('lookup')
                    ? ['lookup key k1', {}]
                    : ['answer', { v: 'val-k1' }]),
                );
              }
              if (!code.includes('lookUp')) return '';
              const kb = globals.kb as { lookUp(args: object): Promise<unknown> };
              return String(await kb.lookUp({ key: 'k1' }));
            },
            async inspectGlobals() {
              return '{}';
            },
            async patchGlobals(patch: Record<string, unknown>) {
              note('patched', Object.keys(patch).sort());
              Object.assign(globals, patch);
            },
            close() {
              note('closed');
            },
          };
          return make === 'frozen' ? Object.freeze(session) : session;
        };
        class Runtime {
          readonly language = 'JavaScript';
          #sessions = 0;
          getUsageInstructions() {
            return 'use it';
          }
          createSession(globals: Record<string, unknown>) {
            note('session', ++this.#sessions);
            return createSession(globals);
          }
        }
        const plain = {
          language: 'JavaScript',
          getUsageInstructions: () => 'use it',
          createSession,
        };
        const runtime =
          make === 'class' ? new Runtime() : make === 'frozen' ? Object.freeze(plain) : plain;
        return ax
          .agent('query:string -> answer:string', {
            contextFields: [],
            runtime: runtime as never,
            functions: [
              { ...tool(() => 'val-k1'), namespace: 'kb', returns: { type: 'string' } } as never,
            ],
          })
          .forward(model(stages(LOOKUP)), QUERY);
      },
    ]),
  );
}
