import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { f } from '@ax-llm/ax';
import { describe, expect, it } from 'vitest';
import {
  type ConfigError,
  createProgram,
  DspyModelLoader,
  DspyPipelineExecutor,
  defineSignature,
  SignatureRegistry,
  signatureRegistry,
} from '../src/index.js';
import { useFolder } from './support/folder.js';

const folder = useFolder();
const loader = () => new DspyModelLoader({ root: folder.path, env: {} });

async function errorOf(yaml: string): Promise<ConfigError> {
  const file = folder.write('config.yaml', yaml);
  return loader()
    .loadFromConfig(file)
    .then(
      () => expect.unreachable('the file was loaded'),
      (error: ConfigError) => error,
    );
}

/** Far from the minutes that each of them took, and far from what a busy machine takes. */
const SOON = 15_000;

describe('a file that would keep the process busy', () => {
  const large = 4 * 1024 * 1024;
  it.each([
    ['of a long list', `metrics: [${'a,'.repeat(large / 2)}a]`],
    ['of many keys', Array.from({ length: 300_000 }, (_, i) => `k${i}: v`).join('\n')],
    ['of what is no YAML', '<p>: {]}\n'.repeat(large / 9)],
    ['of brackets', '['.repeat(large)],
  ])(
    '%s is refused in one line',
    async (_, yaml) => {
      const { name, problems } = await errorOf(yaml);
      expect(name).toBe('ConfigError');
      expect(problems).toEqual([
        { path: '', message: 'the file is too large or nested too deeply' },
      ]);
    },
    SOON,
  );

  it(
    'for its aliases is read at once',
    async () => {
      const aliases = Array(10_000).fill('*a').join(',');
      const signatures = Array.from({ length: 4_000 }, (_, i) => `  S${i}: DraftText`).join('\n');
      const error = await errorOf(
        `name: &a x\nversion: "1"\nmetrics: [${aliases}]\nsignatures:\n${signatures}`,
      );
      expect(error.message).toContain('is required to say which of');
    },
    SOON,
  );

  it('nested too deeply for the parser is refused in one line', async () => {
    const { problems } = await errorOf(`name: ${'['.repeat(50_000)}`);
    expect(problems.map(({ message }) => message)).toEqual([
      'the file is too large or nested too deeply',
    ]);
  });
});

it('a file of many problems has a message of bounded length, and names no value', async () => {
  const { message } = await errorOf(
    `name: a\nversion: "1"\nmetrics: [${Array(5_000).fill('1').join(',')}]`,
  );
  expect(message.split('\n').length).toBeLessThan(60);
  expect(message).toMatch(/and \d+ more$/);
  const broken = await errorOf('source:\n  token: hf_secret: {\n} hf_secret\n]: "hf_secret');
  expect(broken.message).toContain('not YAML or JSON');
  expect(broken.message).not.toContain('hf_secret');
});

it('an alias means the last anchor of its name before it', async () => {
  const file = folder.write(
    'anchors.yaml',
    `
name: &n first
version: "1"
description: *n
author: &n second
signatures:
  &s Draft: { inputs: [topic:str], outputs: [draft:str], description: *n }
program: *s
`,
  );
  const program = (await loader().loadFromConfig(file)) as unknown as {
    getSignature(): { getDescription(): string };
  };
  expect(program.getSignature().getDescription()).toBe('second');
});

describe('names that every object inherits', () => {
  it('are fields like any other', async () => {
    const file = folder.write(
      'inherited.yaml',
      `
name: a
version: "1"
signatures:
  First: { inputs: ["constructor:str", "toString?:str"], outputs: ["valueOf:str"] }
  Second: { inputs: ["valueOf:str", "toString?:str"], outputs: [answer:str] }
chains:
  Work: { steps: [First, Second] }
`,
    );
    const program = await loader().loadFromConfig(file);
    const executor = new DspyPipelineExecutor({ mlflowTracking: false, logLevel: 'silent' });
    const dry = { program, mode: 'dryRun' } as const;
    expect((await executor.execute({ ...dry, inputs: {} })).error?.missing).toEqual([
      'constructor',
    ]);
    expect(await executor.execute({ ...dry, inputs: { constructor: 'me' } })).toMatchObject({
      success: true,
    });
  });

  it('are no types, variables or defaults', async () => {
    const { problems } = await errorOf(`
name: a
version: "1"
model_config: { model_name: "\${constructor}" }
signatures:
  S: { inputs: [{ name: topic, type: constructor }], outputs: [draft:str] }
`);
    expect(problems.map(({ message }) => message)).toEqual([
      'the environment variable constructor is not set',
      expect.stringContaining('unknown type'),
    ]);
    const { signature } = defineSignature({
      name: 'Inherited',
      category: 'test',
      description: 'Has a field of an inherited name.',
      fields: f()
        .input('constructor', f.string('who built it').optional())
        .output('draft', f.string('the draft')),
      defaults: {},
    });
    expect(signature.getInputFields()[0]).not.toHaveProperty('defaultValue');
    expect(createProgram(signature)).toBeDefined();
  });
});

describe('arguments that cannot be used', () => {
  it('of the loader are named', async () => {
    await expect(loader().loadFromConfig(undefined as never)).rejects.toThrow(
      'the path of a file must be text',
    );
    await expect(
      loader().loadFromHuggingFace({ repoId: 'a/b', filenam: 'c.json' } as never),
    ).rejects.toThrow(/option filename.*option filenam is unknown. Did you mean filename/s);
  });

  it('of the registry are named, and nothing is added', () => {
    const registry = new SignatureRegistry();
    const { signature } = signatureRegistry.get('DraftText');
    for (const [registration, problem] of [
      [{ name: 'X', signature: 'a:string -> b:string' }, 'signature must be one of Ax'],
      [{ name: 'X', signature, aliases: 'abc' }, 'aliases must be a list of texts'],
      [{ signature }, 'name must be text'],
    ] as const) {
      expect(() => registry.register(registration as never)).toThrow(problem);
    }
    expect(registry.names()).toEqual([]);
    expect(registry.has(undefined as never)).toBe(false);
    expect(() => registry.get(undefined as never)).toThrow('must be text');
  });
});

it('a time for downloads may be any fraction of a second', async () => {
  const server = createServer((_, response) => {
    response.end('{"name": "a", "version": "1", "signatures": {"S": "DraftText"}}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hubEndpoint = `http://127.0.0.1:${port}`;
  const remote = new DspyModelLoader({ downloadTimeout: 5.0005, env: {}, hubEndpoint });
  await expect(
    remote.loadFromHuggingFace({ repoId: 'a/b', filename: 'c.json' }),
  ).resolves.toBeDefined();
  await new Promise((resolve) => server.close(resolve));
});
