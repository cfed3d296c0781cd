import { readArray, readProperty, readText } from '../capture/read.js';
import type { Tool } from './tool.js';

/** What the hooks read of an Ax agent. Before Ax 17 it is a generator with child agents as tools. */
export interface Agent {
  readonly func?: { readonly name?: unknown; readonly description?: unknown };
  readonly name?: unknown;
  readonly options?: Readonly<Record<string, unknown>>;
  /** The flow of stages that an agent is built as. */
  readonly pipelineFlow?: unknown;
  /** The actors of the stages, in newer versions; they have what follows. */
  readonly distiller?: unknown;
  readonly executor?: unknown;
  /** The agent's own, in versions without stages. */
  readonly runtime?: unknown;
  readonly agentFunctions?: unknown;
}

/** Ax's namespace of functions that name none. */
const DEFAULT_NAMESPACE = 'utils';

/** One call of an agent. */
export class AgentRun {
  #functions: Map<string, Tool> | undefined;

  constructor(readonly agent: Agent) {}

  isPipeline(flow: unknown): boolean {
    return readProperty(this.agent, 'pipelineFlow') === flow;
  }

  /** The runtimes that run this agent's code. */
  runtimes(): unknown[] {
    const { agent } = this;
    const parts = [agent, readProperty(agent, 'distiller'), readProperty(agent, 'executor')];
    return [...new Set(parts.map((part) => readProperty(part, 'runtime')))];
  }

  /** What is known of the function that code calls by its qualified name (`kb.lookup`). */
  functionOf(qualifiedName: string): Tool | undefined {
    if (this.#functions === undefined) {
      this.#functions = new Map();
      const { agent } = this;
      for (const part of [agent, readProperty(agent, 'executor')]) {
        for (const tool of readArray(readProperty(part, 'agentFunctions'))) {
          const namespace = readText(tool, 'namespace') ?? DEFAULT_NAMESPACE;
          this.#functions.set(`${namespace}.${readText(tool, 'name')}`, tool as Tool);
        }
      }
    }
    return this.#functions.get(qualifiedName);
  }
}
