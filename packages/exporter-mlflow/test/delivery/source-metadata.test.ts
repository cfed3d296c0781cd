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

  it('is read through the file of a worktree', async () => {
    await git('HEAD', `${COMMIT}\n`);
    const tree = join(folder, 'tree');
    await mkdir(tree);
    await writeFile(join(tree, '.git'), `gitdir: ${join(folder, '.git')}\n`);
    expect(readSourceMetadata(undefined, tree)).toMatchObject({
      'mlflow.source.git.commit': COMMIT,
    });
  });

  it('lacks what is not there, or broken', async () => {
    await git('HEAD', 'ref: refs/heads/unborn\n');
    expect(readSourceMetadata(undefined, folder)).toEqual({ 'mlflow.source.type': 'LOCAL' });
  });
});
