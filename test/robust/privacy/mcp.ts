import { LocalMcp } from '../../../packages/instrumentation-dspy/test/support/mcp.js';
import { canary } from './places.js';

type Request = Parameters<LocalMcp['send']>[0];

/** An MCP server within the process that has content wherever the protocol has a place for it. */
export class PrivateMcp extends LocalMcp {
  override async send(request: Request): Promise<object> {
    const usual = (await super.send(request)) as { readonly result?: object };
    const result = answer(request, usual.result);
    return result === undefined ? usual : { jsonrpc: '2.0', id: request.id, result };
  }
}

const text = (content: string) => ({ type: 'text', text: content });

function answer({ method, params }: Request, usual: object | undefined): object | undefined {
  switch (method) {
    case 'initialize':
      return {
        ...usual,
        serverInfo: { name: canary('the name of an MCP server'), version: '1' },
        instructions: canary('the instructions of an MCP server'),
      };
    case 'tools/list': {
      const description = canary('the description of a tool over MCP');
      const inputSchema = { type: 'object', properties: {} };
      return { tools: ['echo', 'break'].map((name) => ({ name, description, inputSchema })) };
    }
    case 'tools/call':
      return params?.name === 'echo'
        ? { content: [text(canary('a result over MCP'))] }
        : { isError: true, content: [text(`it broke ${canary('an error over MCP')}`)] };
    case 'resources/read':
      return {
        contents: [
          {
            uri: 'file:///x.txt',
            mimeType: 'text/plain',
            text: canary('the content of a file over MCP'),
          },
        ],
      };
    case 'prompts/get':
      return {
        messages: [{ role: 'user', content: text(canary('the text of a prompt over MCP')) }],
      };
    default:
      return undefined;
  }
}
