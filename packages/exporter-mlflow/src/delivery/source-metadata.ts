import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

let cached: Readonly<Record<string, string>> | undefined;

/**
 * What MLflow's page shows as the source of a trace: the program's file and the commit it was checked
 * out at. Read once, from `.git` itself; nothing is executed.
 */
export function sourceMetadata(): Readonly<Record<string, string>> {
  cached ??= readSourceMetadata(process.argv[1], process.cwd());
  return cached;
}

export function readSourceMetadata(
  script: string | undefined,
  folder: string,
): Record<string, string> {
  const metadata: Record<string, string> = { 'mlflow.source.type': 'LOCAL' };
  if (script) metadata['mlflow.source.name'] = basename(script);
  const { commit, branch } = readGit(folder);
  if (commit) metadata['mlflow.source.git.commit'] = commit;
  if (branch) metadata['mlflow.source.git.branch'] = branch;
  return metadata;
}

function readGit(folder: string): { commit?: string; branch?: string } {
  try {
    const gitFolder = findGitFolder(folder);
    if (gitFolder === undefined) return {};
    const head = readFileSync(join(gitFolder, 'HEAD'), 'utf8').trim();
    const reference = /^ref: (.+)$/.exec(head)?.[1];
    if (reference === undefined) return { commit: head };
    const branch = reference.replace(/^refs\/heads\//, '');
    const commit = readReference(gitFolder, reference);
    return commit === undefined ? { branch } : { branch, commit };
  } catch {
    return {};
  }
}

function findGitFolder(start: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    const candidate = join(folder, '.git');
    const stat = statSync(candidate, { throwIfNoEntry: false });
    if (stat?.isDirectory()) return candidate;
    // A worktree or a submodule: `.git` is a file that names the folder.
    if (stat?.isFile()) {
      return /^gitdir: (.+)$/m.exec(readFileSync(candidate, 'utf8'))?.[1]?.trim();
    }
    if (dirname(folder) === folder) return undefined;
  }
}

function readReference(gitFolder: string, reference: string): string | undefined {
  try {
    return readFileSync(join(gitFolder, reference), 'utf8').trim();
  } catch {
    const packed = readFileSync(join(gitFolder, 'packed-refs'), 'utf8');
    const line = packed.split('\n').find((entry) => entry.endsWith(` ${reference}`));
    return line?.split(' ')[0];
  }
}
