import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { hideSecrets } from '../server/address.js';

const PREFIX = 'mlflow.source.';

export const isSourceKey = (key: string): boolean => key.startsWith(PREFIX);

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
  const { commit, branch, repository } = readGit(folder);
  if (commit) metadata['mlflow.source.git.commit'] = commit;
  if (branch) metadata['mlflow.source.git.branch'] = branch;
  if (repository) metadata['mlflow.source.git.repoURL'] = repository;
  return metadata;
}

interface GitFacts {
  commit?: string;
  branch?: string;
  repository?: string;
}

function readGit(folder: string): GitFacts {
  try {
    const gitFolder = findGitFolder(folder);
    if (gitFolder === undefined) return {};
    const repository = readRepository(gitFolder);
    return { ...readHead(gitFolder), ...(repository === undefined ? {} : { repository }) };
  } catch {
    return {};
  }
}

function readHead(gitFolder: string): GitFacts {
  try {
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

/** Address of the remote `origin`, without credentials. */
function readRepository(gitFolder: string): string | undefined {
  try {
    const config = readFileSync(join(commonFolder(gitFolder), 'config'), 'utf8');
    const origin = /^\[remote "origin"\]\s*$((?:\n(?!\[).*)*)/m.exec(config)?.[1];
    const address = /^\s*url\s*=\s*(\S+)/m.exec(origin ?? '')?.[1];
    // A path says nothing to others, and may name a person.
    if (address === undefined || !/^(\w+:\/\/|[\w.-]+@[\w.-]+:)/.test(address)) return undefined;
    // `git@host:path` names the user that SSH asks for, with a key and not a password.
    return address.includes('://') ? hideSecrets(address) : address.replace(/[?#].*$/, '');
  } catch {
    return undefined;
  }
}

/** A worktree has its own HEAD, and the rest where `commondir` says. */
function commonFolder(gitFolder: string): string {
  try {
    return resolve(gitFolder, readFileSync(join(gitFolder, 'commondir'), 'utf8').trim());
  } catch {
    return gitFolder;
  }
}

function readReference(gitFolder: string, reference: string): string | undefined {
  const shared = commonFolder(gitFolder);
  try {
    return readFileSync(join(shared, reference), 'utf8').trim();
  } catch {
    const packed = readFileSync(join(shared, 'packed-refs'), 'utf8');
    const line = packed.split('\n').find((entry) => entry.endsWith(` ${reference}`));
    return line?.split(' ')[0];
  }
}
