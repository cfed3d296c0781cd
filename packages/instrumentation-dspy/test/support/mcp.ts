interface Request {
  readonly id: string;
  readonly method: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: Record<string, unknown>;
    readonly uri?: string;
    readonly protocolVersion?: string;
  };
}

/** An MCP server within the process: a tool that adds, one that fails, a resource, a prompt. */
export class LocalMcp {
  readonly sessionId = 'session-1';
  readonly requests: Request[] = [];

  async connect(): Promise<void> {}
  async sendNotification(): Promise<void> {}

  async send(request: Request): Promise<object> {
    this.requests.push(request);
    const result = answer(request);
    return result === undefined
      ? { jsonrpc: '2.0', id: request.id, error: { code: -32602, message: 'unknown' } }
      : { jsonrpc: '2.0', id: request.id, result };
  }
}

const schema = {
  type: 'object',
  properties: {
    a: { type: 'number', description: 'first' },
    b: { type: 'number', description: 'second' },
  },
  required: ['a', 'b'],
};

function answer({ method, params }: Request): object | undefined {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: params?.protocolVersion,
        capabilities: { tools: {}, resources: {}, prompts: {} },
        serverInfo: { name: 'local', version: '1' },
      };
    case 'tools/list':
      return {
        tools: [
          { name: 'add', description: 'Adds', inputSchema: schema },
          { name: 'break', description: 'Breaks', inputSchema: { type: 'object', properties: {} } },
        ],
      };
    case 'tools/call':
      return callTool(params?.name, params?.arguments ?? {});
    case 'resources/list':
      return { resources: [{ uri: 'file:///a.txt', name: 'a' }] };
    case 'resources/templates/list':
      return { resourceTemplates: [] };
    case 'resources/read':
      return params?.uri === 'file:///a.txt'
        ? { contents: [{ uri: params.uri, mimeType: 'text/plain', text: 'the content' }] }
        : undefined;
    case 'prompts/list':
      return { prompts: [{ name: 'greet', description: 'Greets' }] };
    case 'prompts/get':
      return { messages: [{ role: 'user', content: { type: 'text', text: 'Hello' } }] };
    default:
      return {};
  }
}

function callTool(name: string | undefined, { a, b }: Record<string, unknown>): object | undefined {
  if (name === 'add') return { content: [{ type: 'text', text: String(Number(a) + Number(b)) }] };
  if (name === 'break') return { isError: true, content: [{ type: 'text', text: 'it broke' }] };
  return undefined;
}
