import { LoadError, messageOf } from '../errors.js';

const MAX_REDIRECTS = 5;

/** A file on a server, and how its server says no. */
export interface RemoteFile {
  readonly url: URL;
  /** Sent as a bearer token, to this URL's origin and no other. */
  readonly token?: string | undefined;
  /** What an answer other than 2xx means. */
  explain(status: number, headers: Headers): string;
}

export interface DownloadLimits {
  /** Largest file, in bytes. */
  readonly maxBytes: number;
  /** Longest wait for the whole of it, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Downloads a file, following redirects.
 *
 * @throws {LoadError} saying what failed; never with the token, and never with a redirect's address,
 *   which may be signed.
 */
export async function download(file: RemoteFile, limits: DownloadLimits): Promise<Buffer> {
  refuseClearToken(file);
  const signal = AbortSignal.timeout(limits.timeoutMs);
  try {
    const response = await followRedirects(file, signal);
    if (!response.ok) {
      await response.body?.cancel();
      throw new LoadError(`${file.url.href}: ${file.explain(response.status, response.headers)}`);
    }
    return await readBody(response, file, limits.maxBytes);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    const reason = signal.aborted
      ? `no answer within ${limits.timeoutMs / 1000} s`
      : messageOf(error instanceof Error ? (error.cause ?? error) : error);
    throw new LoadError(`${file.url.href} cannot be downloaded: ${reason}`);
  }
}

async function followRedirects({ url, token }: RemoteFile, signal: AbortSignal): Promise<Response> {
  let current = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const headers = new Headers({ 'user-agent': '@hokusai/dspy-pipeline' });
    if (token && current.origin === url.origin) headers.set('authorization', `Bearer ${token}`);
    const response = await fetch(current, { headers, redirect: 'manual', signal });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null) return response;
    await response.body?.cancel();
    const next = new URL(location, current);
    const downgraded = current.protocol === 'https:' && next.protocol !== 'https:';
    if (downgraded || !/^https?:$/.test(next.protocol)) {
      throw new LoadError(`${url.href} redirects to an address that is not https`);
    }
    // `fetch` refuses it, and would show the password.
    if (next.username || next.password) {
      throw new LoadError(`${url.href} redirects to an address with a user name in it`);
    }
    current = next;
  }
  throw new LoadError(`${url.href} redirects more than ${MAX_REDIRECTS} times`);
}

async function readBody(
  response: Response,
  { url }: RemoteFile,
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const tooLarge = () => new LoadError(`${url.href} is larger than ${maxBytes} bytes`);
  if (Number(response.headers.get('content-length')) > maxBytes) {
    await response.body?.cancel();
    throw tooLarge();
  }
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    // Leaving the loop cancels the rest of the body.
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function refuseClearToken({ url, token }: RemoteFile): void {
  if (!token || url.protocol === 'https:' || LOOPBACK.test(url.hostname)) return;
  throw new LoadError(`${url.origin} is not https: a token is not sent there in the clear`);
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;
