import type { Tool } from './tool.js';

/** What the hooks read of an Ax agent. Before Ax 17 it is a generator with child agents as tools. */
export interface Agent {
  readonly func?: { readonly name?: unknown; readonly description?: unknown };
  readonly name?: unknown;
  readonly options?: Readonly<Record<string, unknown>>;
  /** The flow of stages that an agent is built as. */
  readonly pipelineFlow?: unknown;
  /** The actors of the stages, in newer versions. */
  readonly distiller?: Actor;
  readonly executor?: Actor;
  /** The agent's own, in versions without stages. */
  readonly runtime?: unknown;
  readonly agentFunctions?: readonly AgentFunction[];
}

interface Actor {
  readonly runtime?: unknown;
  readonly agentFunctions?: readonly AgentFunction[];
}

interface AgentFunction extends Tool {
  readonly namespace?: unknown;
}

/** Ax's namespace of functions that name none. */
const DEFAULT_NAMESPACE = 'utils';

/** One call of an agent. */
export class AgentRun {
  #functions: Map<string, Tool> | undefined;

  constructor(readonly agent: Agent) {}

  isPipeline(flow: unknown): boolean {
    return this.agent.pipelineFlow === flow;
  }

  /** The runtimes that run this agent's code. */
  runtimes(): unknown[] {
    const { runtime, distiller, executor } = this.agent;
    return [...new Set([runtime, distiller?.runtime, executor?.runtime])];
  }

  /** What is known of the function that code calls by its qualified name (`kb.lookup`). */
  functionOf(qualifiedName: string): Tool | undefined {
    if (this.#functions === undefined) {
      this.#functions = new Map();
      const { agent } = this;
      for (const list of [agent.agentFunctions, agent.executor?.agentFunctions]) {
        for (const tool of list ?? []) {
          const namespace = tool.namespace ?? DEFAULT_NAMESPACE;
          this.#functions.set(`${String(namespace)}.${String(tool.name)}`, tool);
        }
      }
    }
    return this.#functions.get(qualifiedName);
  }
}
