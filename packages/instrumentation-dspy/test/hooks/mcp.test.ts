import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { AX_MAJORS } from '../support/ax.js';
import { describeMajors } from '../support/majors.js';
import { LocalMcp } from '../support/mcp.js';

describeMajors('AxMCPClient', AX_MAJORS, (bench) => {
  async function connected() {
    const { ax, tracing } = bench();
    const client = new ax.AxMCPClient(new LocalMcp(), {});
    await client.init();
    tracing.reset();
    return client;
  }

  /** A tool call in the words of the release. */
  async function add(client: {
    callTool?: unknown;
    toFunction(): { name: string; func(args: object): Promise<unknown> }[];
  }) {
    const tool = client.toFunction().find(({ name }) => /add$/i.test(name));
    return tool?.func({ a: 1, b: 2 });
  }

  it('traces a tool call, with its arguments and result', async () => {
    const { tracing } = bench();
    await add(await connected());
    const span = tracing.span('execute_tool add');
    expect(tracing.spans()).toHaveLength(1);
    expect(span.kind).toBe(SpanKind.CLIENT);
    expect(span.attributes).toMatchObject({
      'openinference.span.kind': 'TOOL',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'add',
      'mcp.method.name': 'tools/call',
      'mcp.session.id': 'session-1',
      'dspy.module.type': 'mcp',
      'tool.name': 'add',
      'input.value': '{"a":1,"b":2}',
      'gen_ai.tool.call.arguments': '{"a":1,"b":2}',
    });
    expect(String(span.attributes['gen_ai.tool.call.result'])).toContain('"text":"3"');
    expect(span.attributes['output.value']).toBe(span.attributes['gen_ai.tool.call.result']);
  });

  it('is part of the tool span when a model called the tool', async () => {
    const { ax, tracing, service, model } = bench();
    const client = await connected();
    const [tool] = client.toFunction().filter(({ name }: { name: string }) => /add$/i.test(name));
    model.play([
      { toolCalls: [{ name: tool.name, arguments: { a: 1, b: 2 }, id: 'call_1' }] },
      'Answer Text: three',
    ]);
    const program = new ax.AxGen('questionText:string -> answerText:string', { functions: [tool] });
    await program.forward(service(), { questionText: 'one and two?' });
    expect(
      tracing.spans().filter(({ attributes }) => attributes['openinference.span.kind'] === 'TOOL'),
    ).toHaveLength(1);
    const span = tracing.span(/^execute_tool/);
    expect(span.attributes).toMatchObject({
      'mcp.method.name': 'tools/call',
      'gen_ai.tool.call.id': 'call_1',
      'dspy.module.type': 'tool',
    });
  });

  it('is a span of its own below a tool that calls another one', async () => {
    const { ax, tracing, service, model } = bench();
    const client = await connected();
    model.play([
      { toolCalls: [{ name: 'compute', arguments: { x: 1 }, id: 'call_1' }] },
      'Answer Text: three',
    ]);
    const program = new ax.AxGen('questionText:string -> answerText:string', {
      functions: [
        {
          name: 'compute',
          description: 'computes',
          parameters: { type: 'object', properties: { x: { type: 'number', description: 'x' } } },
          func: async () => JSON.stringify(await add(client)),
        },
      ],
    });
    await program.forward(service(), { questionText: 'one and two?' });
    expect(tracing.tree()).toContain('  execute_tool compute\n    execute_tool add');
  });

  it('tells the failure of a tool from that of a request', async () => {
    const { tracing } = bench();
    const client = await connected();
    const tools: { name: string; func(args: object): Promise<unknown> }[] = client.toFunction();
    await tools
      .find(({ name }) => /break$/i.test(name))
      ?.func({})
      .catch(() => undefined);
    const span = tracing.span('execute_tool break');
    expect(span.status.code).toBe(SpanStatusCode.ERROR);
    expect(span.attributes['error.type']).toBe('tool_error');
    expect(span.status.message).toBe('it broke');
    tracing.reset();
    await client
      .sendRequest('tools/call', { name: 'missing', arguments: {} })
      .catch(() => undefined);
    expect(tracing.span('execute_tool missing').status.code).toBe(SpanStatusCode.ERROR);
  });

  it('traces the list of tools, and neither handshake nor ping', async () => {
    const { ax, tracing } = bench();
    const client = new ax.AxMCPClient(new LocalMcp(), {});
    await client.init();
    const names = tracing.spans().map(({ name }) => name);
    expect(new Set(names)).toEqual(new Set(['tools/list']));
    expect(tracing.spans()[0]?.attributes).toMatchObject({
      'openinference.span.kind': 'CHAIN',
      'mcp.method.name': 'tools/list',
      'dspy.module.type': 'mcp',
    });
  });

  it('traces resources as retrieval and prompts by name', async () => {
    const { tracing, major } = bench();
    const client = await connected();
    if (major >= 16) {
      await client.readResource('file:///a.txt');
      await client.getPrompt('greet', { who: 'you' });
    } else {
      await client.sendRequest('resources/read', { uri: 'file:///a.txt' });
      await client.sendRequest('prompts/get', { name: 'greet', arguments: { who: 'you' } });
    }
    expect(tracing.spans()).toHaveLength(2);
    expect(tracing.span('resources/read').attributes).toMatchObject({
      'openinference.span.kind': 'RETRIEVER',
      'gen_ai.operation.name': 'retrieval',
      'mcp.resource.uri': 'file:///a.txt',
      'retrieval.documents.0.document.id': 'file:///a.txt',
      'retrieval.documents.0.document.content': 'the content',
    });
    expect(tracing.span('prompts/get greet').attributes).toMatchObject({
      'gen_ai.prompt.name': 'greet',
      'mcp.method.name': 'prompts/get',
      'input.value': '{"who":"you"}',
    });
  });

  it('records no secret of the address of a resource', async () => {
    const { tracing } = bench();
    const client = await connected();
    const uri = 'https://u:hun/ter2@app/cb#access_token=abcdef123456';
    // The server has no such resource.
    await client.sendRequest('resources/read', { uri }).catch(() => undefined);
    const { attributes } = tracing.span('resources/read');
    const shown = 'https://app/cb#access_token=[REDACTED]';
    expect(attributes['mcp.resource.uri']).toBe(shown);
    expect(attributes['input.value']).toContain(shown);
  });

  it('gives what is asked for to the sanitizer first', async () => {
    const { tracing, configure } = bench();
    const client = await connected();
    configure({ inputSanitizer: () => ({}) });
    await client.sendRequest('resources/read', { uri: 'file:///a.txt' });
    const { attributes } = tracing.span('resources/read');
    expect(attributes['input.value']).not.toContain('a.txt');
    expect(attributes).not.toHaveProperty('mcp.resource.uri');
  });

  it('keeps content to itself when told so', async () => {
    const { tracing, configure } = bench();
    const client = await connected();
    configure({ logInputs: false, logOutputs: false });
    await client
      .sendRequest('tools/call', { name: 'break', arguments: { a: 'canary' } })
      .catch(() => undefined);
    await client.sendRequest('resources/read', { uri: 'file:///a.txt' });
    const spans = tracing
      .spans()
      .map(({ attributes, events, status }) => ({ attributes, events, status }));
    expect(spans).toHaveLength(2);
    expect(JSON.stringify(spans)).not.toMatch(/canary|it broke|the content/);
  });
});

describeMajors('AxMCPClient.callTool', [23, 24], (bench) => {
  it('is one span, whatever requests it takes', async () => {
    const { ax, tracing } = bench();
    const client = new ax.AxMCPClient(new LocalMcp(), {});
    await client.init();
    tracing.reset();
    await client.callTool('add', { a: 1, b: 2 });
    expect(tracing.tree()).toBe('execute_tool add');
    expect(tracing.spans()[0]?.attributes['mcp.protocol.version']).toMatch(/^\d{4}-\d\d-\d\d$/);
  });
});
