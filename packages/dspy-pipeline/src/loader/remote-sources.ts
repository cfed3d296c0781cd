import { LoadError } from '../errors.js';
import type { RemoteFile } from './download.js';

/** A file on the Hugging Face Hub. */
export interface HuggingFaceFile {
  /** `owner/name`, or `name` for one of the Hub's own. */
  readonly repoId: string;
  /** Path in the repository: JSON or YAML. */
  readonly filename: string;
  /** Branch, tag or commit. Default `main`. */
  readonly revision?: string | undefined;
  /** Access token for private and gated repositories. Default `HF_TOKEN`. */
  readonly token?: string | undefined;
}

/** A file on GitHub. */
export interface GithubFile {
  /** `owner/name`. */
  readonly repo: string;
  readonly path: string;
  /** Branch, tag or commit. Default `HEAD`. */
  readonly ref?: string | undefined;
  /** Token for private repositories. */
  readonly token?: string | undefined;
}

/**
 * `GET {endpoint}/{repo_id}/resolve/{revision}/{filename}`:
 * https://huggingface.co/docs/hub/api and the `X-Error-Code` header that its client reads.
 *
 * @throws {LoadError} when a part could lead elsewhere, or the file is of a refused kind.
 */
export function huggingFaceFile(file: HuggingFaceFile, endpoint: string): RemoteFile {
  const { repoId, filename, revision = 'main', token } = file;
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(repoId) || hasDots(repoId)) {
    throw new LoadError(`repoId must be owner/name, got ${JSON.stringify(repoId)}`);
  }
  refuseKind(filename);
  const path = `${repoId}/resolve/${encodeURIComponent(revision)}/${encodePath(filename, 'filename')}`;
  return {
    url: resolveUrl(endpoint, path, 'hubEndpoint'),
    token,
    explain: (status, headers) => explainHub(status, headers, file),
  };
}

/** The raw file of a repository. */
export function githubFile(file: GithubFile, endpoint: string): RemoteFile {
  const { repo, path, ref = 'HEAD', token } = file;
  if (!/^[\w.-]+\/[\w.-]+$/.test(repo) || hasDots(repo)) {
    throw new LoadError(`repo must be owner/name, got ${JSON.stringify(repo)}`);
  }
  refuseKind(path);
  return {
    url: resolveUrl(
      endpoint,
      `${repo}/${encodePath(ref, 'ref')}/${encodePath(path, 'path')}`,
      'githubEndpoint',
    ),
    token,
    explain: (status) =>
      status === 404
        ? `GitHub has no such file, or ${token ? 'the token does not reach it' : 'it needs a token'}`
        : `GitHub answered ${status}`,
  };
}

function explainHub(status: number, headers: Headers, file: HuggingFaceFile): string {
  const { repoId, filename, revision = 'main', token } = file;
  switch (headers.get('x-error-code')) {
    case 'RepoNotFound':
      return `the Hub has no repository ${repoId}, or ${token ? 'the token does not reach it' : 'it is private and needs a token (HF_TOKEN)'}`;
    case 'RevisionNotFound':
      return `${repoId} has no revision ${revision}`;
    case 'EntryNotFound':
      return `${repoId} has no file ${filename} at ${revision}`;
    case 'GatedRepo':
      return `${repoId} is gated: ask for access on its page, then give a token (HF_TOKEN)`;
  }
  if (status === 401 || status === 403) {
    return `the Hub refuses (${status}): ${token ? 'the token does not allow it' : 'a token is needed (HF_TOKEN)'}`;
  }
  return status === 404 ? 'the Hub has no such file' : `the Hub answered ${status}`;
}

function resolveUrl(endpoint: string, path: string, setting: string): URL {
  const base = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (!base || !/^https?:$/.test(base.protocol) || base.username || base.password) {
    throw new LoadError(`${setting} must be an http(s) address without a user name in it`);
  }
  return new URL(path, endpoint.endsWith('/') ? endpoint : `${endpoint}/`);
}

function encodePath(path: string, setting: string): string {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\\')) {
    throw new LoadError(
      `${setting} must be a plain path in the repository, got ${JSON.stringify(path)}`,
    );
  }
  return parts.map(encodeURIComponent).join('/');
}

function hasDots(id: string): boolean {
  return id.split('/').some((part) => /^\.+$/.test(part));
}

const PICKLES = /\.(pkl|pickle|pt|pth|bin|ckpt|joblib|dill|cloudpickle|npy|npz|h5|keras|model)$/i;
const CODE = /\.(py|js|mjs|cjs|ts|mts|cts|jsx|tsx|sh|so|node|wasm)$/i;

function refuseKind(filename: string): void {
  if (PICKLES.test(filename)) {
    throw new LoadError(
      `${filename} is refused: pickles and other Python object files run code when they are read. ` +
        'Save the program as JSON or YAML',
    );
  }
  if (CODE.test(filename)) {
    throw new LoadError(
      `${filename} is refused: downloaded code is not run. Give a JSON or YAML file`,
    );
  }
  if (!/\.(json|ya?ml)$/i.test(filename)) {
    throw new LoadError(`${filename} is not a .json, .yaml or .yml file`);
  }
}

/**
 * The text of a downloaded file.
 *
 * @throws {LoadError} when the bytes are a pickle or an archive of one whatever its name says, or no text.
 */
export function decodeText(bytes: Buffer, name: string): string {
  // Pickle protocols 2 to 5, and the ZIP that PyTorch and NumPy put pickles in.
  const pickle = bytes[0] === 0x80 && (bytes[1] ?? 0) >= 2 && (bytes[1] ?? 9) <= 5;
  if (pickle || bytes.subarray(0, 4).toString('latin1') === 'PK\x03\x04') {
    throw new LoadError(`${name} is refused: it holds a pickle, which runs code when it is read`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new LoadError(`${name} is not UTF-8 text`);
  }
}
