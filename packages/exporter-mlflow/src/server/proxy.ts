import type { Environment } from './auth.js';

const PROXY_PROTOCOLS = ['http:', 'https:', 'socks5:', 'socks:'];

/**
 * What is wrong with the proxy setting that would apply to `target`, if anything. The names and their
 * order are undici's: lower case first, and `HTTPS_PROXY` falls back to `HTTP_PROXY`.
 */
export function proxyProblem(
  target: URL,
  env: Environment,
): { setting: string; message: string } | undefined {
  const names =
    target.protocol === 'https:'
      ? ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY']
      : ['http_proxy', 'HTTP_PROXY'];
  const setting = names.find((name) => env[name]);
  if (!setting) return undefined;
  const value = env[setting] as string;
  let protocol: string | undefined;
  try {
    protocol = new URL(value).protocol;
  } catch {
    protocol = undefined;
  }
  if (protocol !== undefined && PROXY_PROTOCOLS.includes(protocol)) return undefined;
  return {
    setting,
    message: 'is not the address of a proxy; write http://proxy.host:port, or unset it',
  };
}
