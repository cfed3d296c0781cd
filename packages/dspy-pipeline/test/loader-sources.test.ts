import { mkdirSync, symlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { AxGen } from '@ax-llm/ax';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  ConfigError,
  DspyModelLoader,
  identityOf,
  LoadError,
  UnknownSignatureError,
} from '../src/index.js';
import { useFolder } from './support/folder.js';
import { useModel } from './support/model.js';

const model = useModel();
const folder = useFolder();
const CONFIG = 'name: remote\nversion: "4"\nsignatures: { Draft: DraftText }\n';

async function failure(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(LoadError);
  return error as Error;
}

describe('files', () => {
  const inside = join(folder.path, 'root');
  const loader = new DspyModelLoader({ root: inside });
  beforeAll(() => {
    folder.write('root/ok.yaml', CONFIG);
    folder.write('outside.yaml', CONFIG);
    folder.write('root-twin/x.yaml', CONFIG);
    folder.write('outside.mjs', 'export class Program { forward() {} }');
    symlinkSync(join(folder.path, 'outside.yaml'), join(inside, 'link.yaml'));
    symlinkSync(folder.path, join(inside, 'up'));
    symlinkSync(join(inside, 'ok.yaml'), join(inside, 'good-link.yaml'));
    mkdirSync(join(inside, 'folder.yaml'));
  });

  it('are read below the root, through links that stay there', async () => {
    for (const path of ['ok.yaml', './sub/../ok.yaml', 'good-link.yaml', join(inside, 'ok.yaml')]) {
      expect(identityOf(await loader.loadFromConfig(path))).toMatchObject({ name: 'remote' });
    }
  });

  it.each([
    '../outside.yaml',
    'link.yaml',
    'up/outside.yaml',
    '../root-twin/x.yaml',
    join(folder.path, 'outside.yaml'),
    '/etc/passwd',
    '../nothing-here',
  ])('are not read outside it: %s', async (path) => {
    expect((await failure(loader.loadFromConfig(path))).message).toContain('is outside');
  });

  it('keeps classes and sources in it too', async () => {
    expect((await failure(loader.loadFromClass('../outside.mjs', 'Program'))).message).toContain(
      'is outside',
    );
    folder.write(
      'root/escape.yaml',
      'name: a\nversion: "1"\nsource: { type: local, path: ../outside.mjs, class_name: Program }',
    );
    expect((await failure(loader.loadFromConfig('escape.yaml'))).message).toContain('is outside');
  });

  it('says what is wrong with one', async () => {
    expect((await failure(loader.loadFromConfig('none.yaml'))).message).toMatch(
      /none\.yaml does not exist$/,
    );
    expect((await failure(loader.loadFromConfig('folder.yaml'))).message).toMatch(/is no file$/);
    const small = new DspyModelLoader({ root: inside, maxFileBytes: 10 });
    expect((await failure(small.loadFromConfig('ok.yaml'))).message).toMatch(
      /larger than 10 bytes$/,
    );
    const nowhere = new DspyModelLoader({ root: join(folder.path, 'nowhere') });
    expect((await failure(nowhere.loadFromConfig('ok.yaml'))).message).toContain('does not exist');
  });

  it('refuses options it does not know', () => {
    const misspelt = { rot: '.', maxFileBytes: 0 } as object;
    expect(() => new DspyModelLoader(misspelt)).toThrow(
      /option maxFileBytes: .*option rot is unknown. Did you mean root\?/,
    );
    expect(() => new DspyModelLoader({ env: process.env })).not.toThrow();
    // A timer set to more would fire at once.
    expect(() => new DspyModelLoader({ downloadTimeout: 2_147_484 })).toThrow(/downloadTimeout/);
    expect(() => new DspyModelLoader({ downloadTimeout: 2_147_483 })).not.toThrow();
  });
});

describe('classes', () => {
  const loader = new DspyModelLoader({ root: folder.path });
  beforeAll(() => {
    const ax = import.meta.resolve('@ax-llm/ax');
    folder.write(
      'programs.mjs',
      `import { AxGen, ax } from ${JSON.stringify(ax)};
export class Answerer extends AxGen { constructor() { super('userQuestion:string -> answer:string'); } }
export const make = () => ax('userQuestion:string -> answer:string');
export const ready = ax('userQuestion:string -> answer:string');
export const own = { forward: async (ai, values) => ({ echo: values }) };
export class Broken { constructor() { throw new Error('no luck'); } forward() {} }
export class Empty {}
`,
    );
    folder.write('common.cjs', 'exports.Program = class { async forward() { return { a: 1 }; } };');
    folder.write('throws.mjs', 'throw new Error("at load");');
  });

  it.each(['Answerer', 'make', 'ready'])('makes a program of %s', async (name) => {
    const program = await loader.loadFromClass('programs.mjs', name);
    model.play(['Answer: yes']);
    expect(await program.forward(model.service(), { userQuestion: 'q' })).toEqual({
      answer: 'yes',
    });
  });

  it('reads CommonJS', async () => {
    const program = await loader.loadFromClass('common.cjs', 'Program');
    expect(await program.forward(model.service(), {})).toEqual({ a: 1 });
  });

  it('takes its identity, contract and settings from a config file beside it', async () => {
    folder.write(
      'configs/answerer.yaml',
      `name: answerer
version: "7"
source: { type: local, path: ../programs.mjs, class_name: Answerer }
signatures:
  Answer: { inputs: ['user_question:str="why?"'], outputs: [answer:str] }
model_config: { model_name: gpt-4o, temperature: 0.1 }
`,
    );
    const program = await loader.loadFromConfig('configs/answerer.yaml');
    expect(identityOf(program)).toMatchObject({ name: 'answerer', version: '7' });
    expect(program).toBeInstanceOf(AxGen);
    model.play(['Answer: yes']);
    expect(await program.forward(model.service(), {})).toEqual({ answer: 'yes' });
    expect(model.prompt()).toContain('why?');
    expect(model.requests()[0]).toMatchObject({ model: 'gpt-4o', temperature: 0.1 });
  });

  it('applies defaults to a program whose forward is its own property', async () => {
    const signatures = "signatures: { S: { inputs: ['size:int=3'], outputs: [echo:dict] } }";
    folder.write(
      'own.yaml',
      `name: own\nversion: "1"\nsource: { type: local, path: programs.mjs, class_name: own }\n${signatures}`,
    );
    for (let load = 0; load < 2; load++) {
      const program = await loader.loadFromConfig('own.yaml');
      expect(await program.forward(model.service(), {})).toEqual({ echo: { size: 3 } });
    }
  });

  it.each([
    ['programs.mjs', 'Answerr', /exports no Answerr\. Did you mean Answerer\?/],
    ['programs.mjs', 'Broken', /Broken of .* failed to construct: no luck/],
    ['programs.mjs', 'Empty', /Empty of .* makes no program: it has no forward method/],
    ['throws.mjs', 'A', /cannot be imported: at load/],
  ])('says what is wrong with %s %s', async (path, name, message) => {
    expect((await failure(loader.loadFromClass(path, name))).message).toMatch(message);
  });
});

describe('the library', () => {
  const loader = new DspyModelLoader();

  it('is there by name, alias, category and tags', () => {
    expect(loader.loadSignatureFromLibrary('EmailDraft').getOutputFields()[0]?.name).toBe(
      'emailBody',
    );
    expect(loader.loadSignatureFromLibrary('email_draft')).toBe(
      loader.loadSignatureFromLibrary('EmailDraft'),
    );
    expect(() => loader.loadSignatureFromLibrary('EmailDraf')).toThrow(UnknownSignatureError);
    const names = (query: Parameters<typeof loader.listAvailableSignatures>[0]) =>
      loader.listAvailableSignatures(query).map(({ name }) => name);
    expect(names({})).toHaveLength(16);
    expect(names({ category: 'conversation' })).toEqual([
      'RespondToUser',
      'ClarifyIntent',
      'GenerateFollowUp',
      'ResolveQuery',
    ]);
    expect(names({ tags: ['writing', 'business'] })).toEqual(['EmailDraft', 'ReportGeneration']);
    expect(names({ category: 'analysis', tags: ['business'] })).toEqual([]);
  });
});

describe('downloads', () => {
  let hub: Server;
  let cdn: Server;
  let seen: IncomingMessage[] = [];
  let answer: RequestListener;
  let cdnAnswer: RequestListener;
  const url = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const listen = (listener: RequestListener) =>
    new Promise<Server>((done) => {
      const server = createServer((request, response) => {
        seen.push(request);
        listener(request, response);
      }).listen(0, '127.0.0.1', () => done(server));
    });
  const loader = (options = {}) =>
    new DspyModelLoader({
      hubEndpoint: url(hub),
      githubEndpoint: url(hub),
      env: { SECRET: 'canary' },
      ...options,
    });
  const file = { repoId: 'org/model', filename: 'program.yaml' };

  beforeAll(async () => {
    hub = await listen((request, response) => answer(request, response));
    cdn = await listen((request, response) => cdnAnswer(request, response));
  });
  afterAll(() => {
    for (const server of [hub, cdn]) {
      server.closeAllConnections();
      server.close();
    }
  });
  beforeEach(() => {
    seen = [];
    answer = (_, response) => response.end(CONFIG);
    cdnAnswer = (_, response) => response.end(CONFIG);
  });

  it('loads a program from the Hub, with the token', async () => {
    const program = await loader().loadFromHuggingFace({
      ...file,
      filename: 'a dir/program.yaml',
      token: 'hf_x',
    });
    expect(seen[0]?.url).toBe('/org/model/resolve/main/a%20dir/program.yaml');
    expect(seen[0]?.headers.authorization).toBe('Bearer hf_x');
    expect(identityOf(program)).toMatchObject({
      name: 'remote',
      version: '4',
      source: expect.stringContaining(url(hub)),
    });
    model.play(['Draft: d']);
    expect(await program.forward(model.service(), { topic: 't', purpose: 'p' })).toEqual({
      draft: 'd',
    });
  });

  it('takes endpoint and token from the environment, and a revision', async () => {
    const env = { HF_ENDPOINT: url(hub), HF_TOKEN: 'hf_env' };
    await new DspyModelLoader({ env }).loadFromHuggingFace({
      ...file,
      repoId: 'gpt2',
      revision: 'refs/pr/1',
    });
    expect(seen[0]?.url).toBe('/gpt2/resolve/refs%2Fpr%2F1/program.yaml');
    expect(seen[0]?.headers.authorization).toBe('Bearer hf_env');
  });

  it('follows redirects, and shows the token to its own origin alone', async () => {
    answer = (request, response) => {
      const location = request.url?.startsWith('/org')
        ? '/renamed'
        : `${url(cdn)}/blob?signature=s3cret`;
      response.writeHead(302, { location }).end();
    };
    await loader().loadFromHuggingFace({ ...file, token: 'hf_x' });
    expect(seen.map((request) => request.headers.authorization)).toEqual([
      'Bearer hf_x',
      'Bearer hf_x',
      undefined,
    ]);

    cdnAnswer = (_, response) => response.writeHead(403).end();
    const error = await failure(loader().loadFromHuggingFace({ ...file, token: 'hf_x' }));
    expect(error.message).toContain('the token does not allow it');
    expect(error.message).not.toMatch(/hf_x|s3cret/);
  });

  it('ends a redirect that never ends, or leads away from http', async () => {
    answer = (_, response) => response.writeHead(307, { location: '/again' }).end();
    expect((await failure(loader().loadFromHuggingFace(file))).message).toContain(
      'redirects more than 5 times',
    );
    answer = (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    expect((await failure(loader().loadFromHuggingFace(file))).message).toContain('not https');
  });

  it('says nothing of the secrets in an address', async () => {
    answer = (request, response) => {
      const location = `http://user:hun-ter2@${request.headers.host}/blob`;
      response.writeHead(302, { location }).end();
    };
    const redirected = await failure(loader().loadFromHuggingFace(file));
    expect(redirected.message).toMatch(/redirects to an address with a user name in it$/);
    answer = (_, response) => response.writeHead(404).end();
    for (const secret of ['/?token=hun-ter2', '/#hun-ter2']) {
      const lost = await failure(
        loader({ hubEndpoint: url(hub) + secret }).loadFromHuggingFace(file),
      );
      expect(lost.message).toContain('/org/model/resolve/main/program.yaml: ');
      expect(lost.message).not.toContain('hun-ter2');
    }
    for (const user of ['http://user:hun-ter2@h', 'http://user:hun/ter2@h', 'u:hun-ter2@h']) {
      const refused = await failure(loader({ hubEndpoint: user }).loadFromHuggingFace(file));
      expect(refused.message).toBe(
        'hubEndpoint must be an http(s) address without a user name in it',
      );
    }
  });

  it('sends no token in the clear', async () => {
    const open = loader({ hubEndpoint: 'http://hub.example' });
    expect((await failure(open.loadFromHuggingFace({ ...file, token: 'hf_x' }))).message).toBe(
      'http://hub.example is not https: a token is not sent there in the clear',
    );
  });

  it.each([
    [404, 'RepoNotFound', /no repository org\/model, or it is private and needs a token/],
    [404, 'RevisionNotFound', /has no revision main/],
    [404, 'EntryNotFound', /has no file program\.yaml at main/],
    [403, 'GatedRepo', /is gated/],
    [401, '', /a token is needed/],
    [404, '', /no such file/],
    [503, '', /answered 503/],
  ])('explains %s %s', async (status, code, message) => {
    answer = (_, response) => response.writeHead(status, { 'x-error-code': code }).end();
    expect((await failure(loader().loadFromHuggingFace(file))).message).toMatch(message);
  });

  it('bounds size and time', async () => {
    answer = (_, response) => response.end('x'.repeat(200));
    const small = loader({ maxFileBytes: 100 });
    expect((await failure(small.loadFromHuggingFace(file))).message).toContain(
      'larger than 100 bytes',
    );
    answer = (_, response) => {
      response.write('x'.repeat(200));
    };
    expect((await failure(small.loadFromHuggingFace(file))).message).toContain(
      'larger than 100 bytes',
    );
    answer = () => {};
    const impatient = loader({ downloadTimeout: 0.1 });
    expect((await failure(impatient.loadFromHuggingFace(file))).message).toContain(
      'no answer within 0.1 s',
    );
    const gone = await listen(() => {});
    const closed = loader({ hubEndpoint: url(gone) });
    await new Promise((done) => gone.close(done));
    expect((await failure(closed.loadFromHuggingFace(file))).message).toMatch(
      /cannot be downloaded: .*ECONNREFUSED/,
    );
  });

  it.each([
    ['model.pkl', /pickles and other Python object files run code when they are read/],
    ['pytorch_model.bin', /pickles/],
    ['program.py', /downloaded code is not run/],
    ['program.js', /downloaded code is not run/],
    ['model.safetensors', /is not a \.json, \.yaml or \.yml file/],
    ['../secret.yaml', /must be a plain path/],
    ['a//b.yaml', /must be a plain path/],
  ])('refuses %s without asking for it', async (filename, message) => {
    expect((await failure(loader().loadFromHuggingFace({ ...file, filename }))).message).toMatch(
      message,
    );
    expect(seen).toEqual([]);
  });

  it.each(['../../etc', 'a/b/c', 'https://evil', 'a/..', ''])(
    'refuses the repository %j',
    async (repoId) => {
      expect((await failure(loader().loadFromHuggingFace({ ...file, repoId }))).message).toContain(
        'repoId must be owner/name',
      );
    },
  );

  it.each([
    ['a pickle', Buffer.from([0x80, 0x04, 0x95, 0x00])],
    ['an archive', Buffer.from('PK\x03\x04rest', 'latin1')],
  ])('refuses %s whatever its name says', async (_, bytes) => {
    answer = (_request, response) => response.end(bytes);
    expect((await failure(loader().loadFromHuggingFace(file))).message).toContain('holds a pickle');
  });

  it('refuses what is no text', async () => {
    answer = (_, response) => response.end(Buffer.from([0x6e, 0xff, 0xfe]));
    expect((await failure(loader().loadFromHuggingFace(file))).message).toContain(
      'is not UTF-8 text',
    );
  });

  it('reads neither environment nor files for a downloaded file', async () => {
    const variable = ['$', '{SECRET}'].join('');
    answer = (_, response) =>
      response.end(
        `name: a\nversion: "1"\nsource: { type: local, path: /etc/passwd, class_name: A }\nmodel_config: { model_name: "${variable}" }`,
      );
    const error: unknown = await loader()
      .loadFromHuggingFace(file)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).problems).toEqual([
      { line: 3, path: 'source', message: 'a downloaded file cannot name a source of its own' },
      {
        line: 4,
        path: 'model_config.model_name',
        message: `${variable}: a downloaded file cannot read the environment`,
      },
    ]);
  });

  it('is named by a config file, which goes before it', async () => {
    const yaml = (source: string) =>
      `name: mine\nversion: "9"\nsource: ${source}\nmodel_config: { model_name: gpt-4o, temperature: 0.3 }\n`;
    answer = (_, response) =>
      response.end(
        `${CONFIG}description: theirs\nmodel_config: { model_name: other, max_tokens: 5 }`,
      );
    const variable = ['$', '{SECRET}'].join('');
    folder.write(
      'hub.yaml',
      yaml(`{ type: huggingface, repo_id: org/model, filename: p.yaml, token: "${variable}" }`),
    );
    folder.write(
      'github.yaml',
      yaml('{ type: github, repo: org/code, path: configs/p.yaml, ref: v1 }'),
    );
    const local = loader({ root: folder.path });
    for (const path of ['hub.yaml', 'github.yaml']) {
      const program = await local.loadFromConfig(path);
      expect(identityOf(program)).toMatchObject({
        name: 'mine',
        version: '9',
        description: 'theirs',
      });
      model.play(['Draft: d']);
      await program.forward(model.service(), { topic: 't', purpose: 'p' });
      expect(model.requests().at(-1)).toMatchObject({
        model: 'gpt-4o',
        temperature: 0.3,
        max_completion_tokens: 5,
      });
    }
    expect(seen.map(({ url: path, headers }) => [path, headers.authorization])).toEqual([
      ['/org/model/resolve/main/p.yaml', 'Bearer canary'],
      ['/org/code/v1/configs/p.yaml', undefined],
    ]);
  });
});
