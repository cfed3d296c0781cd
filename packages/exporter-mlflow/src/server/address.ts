/** Stays whatever follows it. Not just any name before a colon, which may be a user's. */
const SCHEME = /^(?:[a-z][a-z\d+.-]*:\/\/|https?:)/i;
/** A path on this machine; what `file://` goes on with may be a server. */
const FILE = /^file:(?!\/\/[^/])/i;
/** A path, unless a password may be in it. */
const PATH = /^(?:[.~]|\/(?!\/))(?!.*:.*@)/s;

/**
 * An address as it may be shown: without user info, query and fragment.
 *
 * Blunt, since people do not escape passwords and only one address is looked at: whatever comes before the last `@` may be a
 * password, also with `/` in it, and goes. An `@` after `?` or `#` ends either a password or nothing; then the scheme alone is shown.
 *
 * @param mark what stands in the place of user info
 */
export function hideSecrets(address: string, mark = ''): string {
  if (FILE.test(address)) return address;
  const scheme = SCHEME.exec(address)?.[0] ?? '';
  const rest = address.slice(scheme.length);
  const at = PATH.test(address) ? -1 : rest.lastIndexOf('@');
  const query = rest.search(/[?#]/);
  if (query >= 0 && at > query) return `${scheme}***`;
  const shown = rest.slice(at + 1, query < 0 ? undefined : query);
  return `${scheme}${at < 0 ? '' : mark}${shown}`;
}
