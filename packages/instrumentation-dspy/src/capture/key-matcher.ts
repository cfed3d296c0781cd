/** Tells whether a property, header or Map key names a credential. */
export interface KeyMatcher {
  (key: string): boolean;
  /** `false`: no matching name occurs in the text, so it need not be searched. */
  mayOccurIn(text: string): boolean;
}

/** A matcher, or any other judge of names. */
export type KeyPredicate = KeyMatcher | ((key: string) => boolean);

/** `false` when no name that the predicate matches occurs in the text. */
export function mayOccurIn(text: string, isSensitiveKey: KeyPredicate): boolean {
  return !('mayOccurIn' in isSensitiveKey) || isSensitiveKey.mayOccurIn(text);
}

/** Words that name a credential wherever they stand in a name. */
const CREDENTIAL_WORDS = new Set([
  'password',
  'passwords',
  'passwd',
  'passphrase',
  'passcode',
  'pwd',
  'secret',
  'secrets',
  'credential',
  'credentials',
  'creds',
  'authorization',
  'cookie',
  'cookies',
  'bearer',
  'jwt',
  'otp',
  'csrf',
  'xsrf',
]);

/** Words that name a credential as the last (or only) word. */
const CREDENTIAL_ENDINGS = new Set(['token', 'auth']);

/** `X pass`: a password, where a lone `pass` may count tests. */
const PASS_OF = new Set([
  'db',
  'database',
  'smtp',
  'mail',
  'ftp',
  'ldap',
  'user',
  'admin',
  'root',
  'proxy',
  'login',
]);

/** `X tokens`: where lone `tokens` are pieces of text. */
const TOKENS_OF = new Set([
  'access',
  'auth',
  'refresh',
  'session',
  'security',
  'bearer',
  'api',
  'id',
  'secret',
]);

/** A last word that says nothing of its own: `accessTokenValue`, `authHeader`. */
const NEUTRAL = new Set(['value', 'values', 'header', 'headers', 'string']);

/** `X key`: `apiKey`, `PRIVATE_KEY`, `aws-access-key`. `publicKey`, `primaryKey`, `sortKey` are not credentials. */
const CREDENTIAL_KEYS = new Set([
  'api',
  'private',
  'access',
  'secret',
  'encryption',
  'signing',
  'auth',
  'ssh',
  'master',
  'shared',
  'account',
  'subscription',
  'license',
  'service',
  'session',
  'client',
  'hmac',
  'app',
]);

/** Written as one word: `apikey`, `openaiapikey`, `clientsecret`, `accesstoken`. */
const JOINED =
  /(?:api|private|access|secret|signing|encryption)keys?$|password$|passwd$|secret$|(?:access|auth|refresh|session|security|bearer|api|id)token$|connectionstring$/;

/** A word after which a credential's name tells about it and does not hold it: `passwordPolicy`, `tokenCount`, `secretName`. */
const ABOUT = new Set([
  'count',
  'counts',
  'length',
  'size',
  'limit',
  'limits',
  'budget',
  'usage',
  'type',
  'types',
  'policy',
  'url',
  'uri',
  'endpoint',
  'name',
  'names',
  'expires',
  'expiry',
  'expiration',
  'ttl',
  'at',
  'in',
  'required',
  'enabled',
  'rate',
  'cost',
  'price',
  'issuer',
  'hint',
  'status',
]);

/** A word before which a name counts or tells of something: `maxToken`, `hasPassword`, `nextToken` (a page cursor). */
const ABOUT_BEFORE = new Set([
  'max',
  'min',
  'num',
  'total',
  'per',
  'has',
  'is',
  'no',
  'next',
  'page',
  'continuation',
]);

/** `X token` of a language model's vocabulary. */
const VOCABULARY = new Set(['stop', 'eos', 'bos', 'pad', 'mask', 'unk', 'sep', 'cls', 'special']);

/** Finds the letters of every built-in name in a text, whatever stands between its words. */
const HINT = /key|token|pass|pwd|secret|cred|auth|cookie|bearer|jwt|otp|csrf|xsrf|connection/i;

/** A name longer than this is judged by its ends. */
const MAX_NAME = 128;
const MAX_CACHED = 1000;

/** `apiKey`, `API_KEY`, `x-api-key`, `HTTPAuth` → their words in lower case. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .replace(/([A-Za-z]{3})(\d+)$/, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length > 0);
}

function isCredentialName(name: string): boolean {
  const words = wordsOf(name);
  let last = words.length - 1;
  while (last > 0 && isNeutral(words, last)) last--;
  if (last < 0 || ABOUT.has(words[last] as string)) return false;
  if (last > 0 && ABOUT_BEFORE.has(words[last - 1] as string)) return false;
  if (last > 0 && ABOUT_BEFORE.has(words[0] as string)) return false;
  for (let index = 0; index <= last; index++) {
    const word = words[index] as string;
    if (CREDENTIAL_WORDS.has(word) || JOINED.test(word)) return true;
    const before = words[index - 1];
    if (index === last && CREDENTIAL_ENDINGS.has(word)) {
      return before === undefined || !VOCABULARY.has(before);
    }
    if (before === undefined) continue;
    if (index === last && word === 'pass' && PASS_OF.has(before)) return true;
    if (index === last && word === 'tokens' && TOKENS_OF.has(before)) return true;
    if ((word === 'key' || word === 'keys') && CREDENTIAL_KEYS.has(before)) return true;
    if (before === 'connection' && word === 'string') return true;
  }
  return false;
}

/** `apiKey 2`, `accessToken value`; of `connection string` the last word is what it is. */
function isNeutral(words: readonly string[], last: number): boolean {
  const word = words[last] as string;
  return /^\d+$/.test(word) || (NEUTRAL.has(word) && words[last - 1] !== 'connection');
}

/** A name without case and separators: `customer_SSN` → `customerssn`. */
function normalized(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '');
}

/**
 * A matcher for the names of credentials (`api_key`, `apiKey`, `Authorization`, `clientSecret`, `refresh_token`, `Set-Cookie`, …),
 * by their words: `keywords`, `maxTokens`, `tokenCount`, `author` stay.
 *
 * @param extra More names, compared without case and separators.
 */
export function createKeyMatcher(extra: readonly string[] = []): KeyMatcher {
  const names = new Set(extra.map(normalized).filter((name) => name !== ''));
  const judged = new Map<string, boolean>();

  function judge(key: string): boolean {
    const name = key.length <= MAX_NAME ? key : `${key.slice(0, MAX_NAME)} ${key.slice(-MAX_NAME)}`;
    return (
      (HINT.test(name) && isCredentialName(name)) || (names.size > 0 && names.has(normalized(name)))
    );
  }

  const matcher = (key: string): boolean => {
    const known = judged.get(key);
    if (known !== undefined) return known;
    const answer = judge(key);
    if (key.length <= MAX_NAME) {
      if (judged.size >= MAX_CACHED) judged.clear();
      judged.set(key, answer);
    }
    return answer;
  };
  const mayOccurIn = (text: string): boolean => names.size > 0 || HINT.test(text);
  return Object.assign(matcher, { mayOccurIn });
}
