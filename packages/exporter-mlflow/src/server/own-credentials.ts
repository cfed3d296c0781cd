/** Stands where an answer repeated what the request gave itself away with. */
const HIDDEN = '[hidden]';
/** A shorter value is no secret, and would be found everywhere. */
const SHORTEST = 4;
/** Values of further headers are most often no secrets; those of gateways are long. */
const SHORTEST_HEADER = 8;

/**
 * The text of an error answer without the credentials of its request: servers and gateways are known to
 * repeat what they refuse, and the text ends in messages and logs.
 */
export function withoutOwnCredentials(
  text: string,
  authorization: string | undefined,
  headers: Readonly<Record<string, string>>,
): string {
  let clean = text;
  for (const secret of secretsOf(authorization, headers)) {
    for (const form of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]) {
      clean = clean.replaceAll(form, HIDDEN);
    }
  }
  return clean;
}

/** Longest first: one may be part of another. */
function secretsOf(
  authorization: string | undefined,
  headers: Readonly<Record<string, string>>,
): string[] {
  const secrets = Object.values(headers).filter(({ length }) => length >= SHORTEST_HEADER);
  for (const value of [authorization, headers.authorization, headers.Authorization]) {
    const [scheme = '', credentials] = value?.split(' ') ?? [];
    if (credentials === undefined) continue;
    secrets.push(credentials);
    if (scheme.toLowerCase() !== 'basic') continue;
    const pair = Buffer.from(credentials, 'base64').toString('utf8');
    secrets.push(pair, pair.slice(pair.indexOf(':') + 1));
  }
  return secrets.filter(({ length }) => length >= SHORTEST).sort((a, b) => b.length - a.length);
}
