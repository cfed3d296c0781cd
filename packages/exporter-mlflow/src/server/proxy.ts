import type { Environment } from './auth.js';
import type { SettingProblem } from './setting-reader.js';

const PROXY_PROTOCOLS = ['http:', 'https:', 'socks5:', 'socks:'];
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** The way to a server: directly, through a proxy, or nobody knows. */
type Route = { proxy?: string } | { problem: SettingProblem };

/**
 * The proxy that the environment names for `target`. A variable that is for other addresses is not
 * looked at. Names and their order are undici's: lower case first, and `HTTPS_PROXY` falls back to
 * `HTTP_PROXY`.
 */
export function routeTo(target: URL, env: Environment): Route {
  const chosen =
    (target.protocol === 'https:' ? firstOf(env, 'https_proxy', 'HTTPS_PROXY') : undefined) ??
    firstOf(env, 'http_proxy', 'HTTP_PROXY');
  if (chosen === undefined || isExempt(target, env.no_proxy ?? env.NO_PROXY ?? '')) return {};
  // `proxy.corp:8080` is http, as curl has it; it would parse as the scheme "proxy.corp:".
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(chosen.value)
    ? chosen.value
    : `http://${chosen.value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && url.hostname !== '' && PROXY_PROTOCOLS.includes(url.protocol)) {
    return { proxy: url.href };
  }
  // The value may hold a password and is not shown.
  return {
    problem: {
      setting: chosen.setting,
      message: 'is not the address of a proxy; write http://proxy.host:port, or unset it',
    },
  };
}

/** The first that is set, unless to nothing, which means no proxy. */
function firstOf(
  env: Environment,
  ...names: string[]
): { setting: string; value: string } | undefined {
  const setting = names.find((name) => env[name] !== undefined);
  const value = setting && env[setting]?.trim();
  return setting && value ? { setting, value } : undefined;
}

/** `NO_PROXY`: hosts with all below them, each with or without a port; `*` is every host. */
function isExempt(target: URL, list: string): boolean {
  const host = withoutBrackets(target.hostname);
  const port = target.port || DEFAULT_PORTS[target.protocol];
  return list.split(/[,\s]+/).some((entry) => {
    if (entry === '') return false;
    if (entry === '*') return true;
    const [, name = entry, onPort] = /^(\[.+\]|[^:]+):(\d+)$/.exec(entry) ?? [];
    if (onPort !== undefined && onPort !== port) return false;
    const exempt = withoutBrackets(name.replace(/^\*?\./, '').toLowerCase());
    return host === exempt || host.endsWith(`.${exempt}`);
  });
}

const withoutBrackets = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');
