import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSourceMetadata } from '../../src/delivery/source-metadata.js';

const COMMIT = 'a'.repeat(40);
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'source-'));
  await mkdir(join(folder, '.git', 'refs', 'heads'), { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

const git = (name: string, text: string) => writeFile(join(folder, '.git', name), text);

describe('where a trace comes from', () => {
  it('is the file of the program, the branch and the commit', async () => {
    await git('HEAD', 'ref: refs/heads/feature/x\n');
    await mkdir(join(folder, '.git', 'refs', 'heads', 'feature'));
    await git('refs/heads/feature/x', `${COMMIT}\n`);
    const inside = join(folder, 'src');
    await mkdir(inside);
    expect(readSourceMetadata('/home/me/app.ts', inside)).toEqual({
      'mlflow.source.type': 'LOCAL',
      'mlflow.source.name': 'app.ts',
      'mlflow.source.git.branch': 'feature/x',
      'mlflow.source.git.commit': COMMIT,
    });
  });

  it('is read from packed references and from a bare commit', async () => {
    await git('HEAD', 'ref: refs/heads/main\n');
    await git('packed-refs', `# pack-refs\n${COMMIT} refs/heads/main\n`);
    expect(readSourceMetadata(undefined, folder)).toMatchObject({
      'mlflow.source.git.commit': COMMIT,
    });
    await git('HEAD', `${COMMIT}\n`);
    expect(readSourceMetadata(undefined, folder)).toEqual({
      'mlflow.source.type': 'LOCAL',
      'mlflow.source.git.commit': COMMIT,
    });
  });

  it('is read by way of a worktree, whose branches and remotes are those of the checkout', async () => {
    await git('HEAD', 'ref: refs/heads/main\n');
    await git('refs/heads/side', `${COMMIT}\n`);
    await git('config', '[core]\n\tbare = false\n[remote "origin"]\n\turl = git@host:me/app.git\n');
    const own = join(folder, '.git', 'worktrees', 'tree');
    await mkdir(own, { recursive: true });
    await git('worktrees/tree/HEAD', 'ref: refs/heads/side\n');
    await git('worktrees/tree/commondir', '../..\n');
    const tree = join(folder, 'tree');
    await mkdir(tree);
    await writeFile(join(tree, '.git'), `gitdir: ${own}\n`);
    expect(readSourceMetadata(undefined, tree)).toMatchObject({
      'mlflow.source.git.commit': COMMIT,
      'mlflow.source.git.branch': 'side',
      'mlflow.source.git.repoURL': 'git@host:me/app.git',
    });
  });

  it.each([
    ['https://me:secret@host/me/app.git', 'https://host/me/app.git'],
    ['https://token@host/me/app.git', 'https://host/me/app.git'],
    ['https://host/me/app.git', 'https://host/me/app.git'],
    ['https://host/me/app.git?token=secret', 'https://host/me/app.git'],
    ['ssh://git@host/me/app.git', 'ssh://host/me/app.git'],
    ['https://me:p@hunter2@host/me/app.git', 'https://host/me/app.git'],
    ['https://me:p/hunter2@host/me/app.git', 'https://host/me/app.git'],
    ['https://me:p?hunter2@host/me/app.git', 'https://***'],
    ['git@host:me/app@2.git', 'git@host:me/app@2.git'],
    ['/home/me/app', undefined],
  ])('names the repository %s without credentials: %s', async (url, shown) => {
    await git('HEAD', `${COMMIT}\n`);
    await git(
      'config',
      `[remote "fork"]\n\turl = https://fork/\n[remote "origin"]\n\tfetch = +refs\n\turl = ${url}\n[branch "main"]\n\turl = no\n`,
    );
    const found = readSourceMetadata(undefined, folder);
    expect(found['mlflow.source.git.repoURL']).toBe(shown);
  });

  it('lacks what is not there, or broken', async () => {
    await git('HEAD', 'ref: refs/heads/unborn\n');
    expect(readSourceMetadata(undefined, folder)).toEqual({ 'mlflow.source.type': 'LOCAL' });
  });
});
