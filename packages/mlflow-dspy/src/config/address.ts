/** Stays whatever follows it. Not just any name before a colon, which may be a user's. */
const SCHEME = /^(?:[a-z][a-z\d+.-]*:\/\/|https?:)/i;
/** A path on this machine; what `file://` goes on with may be a server. */
const FILE = /^file:(?!\/\/[^/])/i;
/** A path, unless a password may be in it. */
const PATH = /^(?:[.~]|\/(?!\/))(?!.*:.*@)/s;

/**
 * An address as it may be shown: without user info, query and fragment. Whatever comes before the last `@` may be an unescaped
 * password and goes. An `@` after `?` or `#` ends either a password or nothing; then the scheme alone is shown.
 */
export function hideSecrets(address: string): string {
  if (FILE.test(address)) return address;
  const scheme = SCHEME.exec(address)?.[0] ?? '';
  const rest = address.slice(scheme.length);
  const at = PATH.test(address) ? -1 : rest.lastIndexOf('@');
  const query = rest.search(/[?#]/);
  if (query >= 0 && at > query) return `${scheme}***`;
  return scheme + rest.slice(at + 1, query < 0 ? undefined : query);
}

/** `true` for text that may be an address, also one without a scheme but with a password. */
export function mayBeAddress(text: string): boolean {
  return /:\/\/|:.*@/s.test(text);
}
