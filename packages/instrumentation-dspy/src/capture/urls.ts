import { createKeyMatcher } from './key-matcher.js';
import { REDACTED } from './redacted.js';

/** `://`, also with slashes as JSON may escape them, in JSON text within JSON text too. */
const SCHEME_END = /:\\{0,31}\/\\{0,31}\//g;
/** What a URL in a text does not hold, were it ever so badly escaped. */
const URL_END = /[\s"<>`]/g;
const AUTHORITY_END = /\\{0,31}[/?#]/g;
const AT = /@/g;
/** A scheme right after a single quote, which then ends the URL too. */
const QUOTED = /'[a-z][a-z0-9+.-]{0,31}$/i;
/** A single quote as it ends a quotation: any other is part of a password. */
const QUOTE_END = /'(?=[\s"'<>`,;:.)\]}+\\]|$)/g;
/** A host and a port, and no password after a name. */
const HOST = /^(?:(?:\[[^\]]*\]|[^:[\]]+)(?::\d{1,5})?)?$/;

/** A parameter's name in query, fragment or path, also of a URL in a parameter, and as HTML or JSON have `&` and `=`. */
const PARAMETER =
  /(?:[?&;]|#!?\/?|%(?:3F|26|23)|\\u0026)((?:[\w.~$:[\]-]|%(?!3D|3F|26|23)[\dA-F]{2}){1,128})(?:=|%3D|\\u003d)/gi;
/** A backslash before a slash, as JSON may escape that, ends no value; before what ends a JSON string, or is itself escaped, it does. */
const VALUE_END = /[&\s"<>#`]|'(?=[\s"'<>`,;:.)\]}+\\&#]|$)|\\(?=\\{0,31}[\s"'<>`&#bfnrtu])/g;

/** Names of parameters whose values are credentials, beside those that are anywhere: a map's key, an error's code are no secret. */
export const isSecretParameter = createKeyMatcher([
  'key',
  'sig',
  'signature',
  'x-amz-signature',
  'x-goog-signature',
  'oauth_signature',
  'code',
  'code_verifier',
  'oauth_verifier',
  'assertion',
  'client_assertion',
  'SAMLResponse',
]);

/** A piece of the text, and what is put in its place. */
interface Span {
  start: number;
  end: number;
  by: string;
}

/**
 * The text with user info and secret parameters taken out of the URLs in it.
 *
 * User info ends at the last `@` before white space, a double quote, `<`, `>` or a backtick, since people do not escape passwords:
 * `/`, `?`, `#` and `@` may all be part of one. An `@` in path or query is not taken for its end where what comes before the first
 * `/`, `?` or `#` is no more than a host with or without a port, or a user without a password at a host. So the one password that
 * stays is of one to five digits up to its first `/`, `?` or `#`: it cannot be told from a port.
 */
export function redactUrls(text: string): string {
  return redact(text, false);
}

/** The same for the beginning of a text: a user info that may go on beyond its end is taken out too. */
export function redactCutUrls(text: string): string {
  return redact(text, true);
}

function redact(text: string, isCut: boolean): string {
  // Most texts hold no URL. In escaped slashes a backslash follows one; those are fewer than backslashes in JSON text.
  if (!text.includes('://') && !text.includes('/\\')) return text;
  const spans = [...userInfos(text, isCut), ...secretValues(text)];
  return spans.length === 0 ? text : replaceSpans(text, spans);
}

/** Where spans overlap, all that any of them covers goes: what looks like the end of a password may be the middle of a token. */
function replaceSpans(text: string, spans: Span[]): string {
  let replaced = '';
  let done = 0;
  for (const { start, end, by } of spans.sort((one, other) => one.start - other.start)) {
    if (end <= done) continue;
    replaced += text.slice(done, start) + by;
    done = end;
  }
  return replaced + text.slice(done);
}

/** The first match at or after a place. Asked for places in rising order it looks at no unit twice. */
class Search {
  private found = -1;

  constructor(
    private readonly text: string,
    private readonly pattern: RegExp,
  ) {}

  from(place: number): number {
    if (this.found < place) {
      this.pattern.lastIndex = place;
      this.found = this.pattern.exec(this.text)?.index ?? this.text.length;
    }
    return this.found;
  }
}

function userInfos(text: string, isCut: boolean): Span[] {
  const spans: Span[] = [];
  if (!isCut && !text.includes('@')) return spans;
  const urlEnd = new Search(text, URL_END);
  const quoteEnd = new Search(text, QUOTE_END);
  const authorityEnd = new Search(text, AUTHORITY_END);
  const at = new Search(text, AT);

  function endOfUserInfo(start: number, end: number): number {
    const goesOn = isCut && end === text.length;
    const hostEnd = Math.min(authorityEnd.from(start), end);
    if (goesOn && hostEnd === end) return end;
    const authority = text.slice(start, hostEnd);
    const user = authority.slice(0, authority.lastIndexOf('@') + 1);
    if (!user.includes(':') && HOST.test(authority.slice(user.length))) return start + user.length;
    if (goesOn) return end;
    return at.from(start) < end ? text.lastIndexOf('@', end - 1) + 1 : start;
  }

  SCHEME_END.lastIndex = 0;
  for (let found = SCHEME_END.exec(text); found !== null; found = SCHEME_END.exec(text)) {
    const start = found.index + found[0].length;
    const isQuoted = QUOTED.test(text.slice(Math.max(0, found.index - 33), found.index));
    const end = Math.min(urlEnd.from(start), isQuoted ? quoteEnd.from(start) : text.length);
    const stop = endOfUserInfo(start, end);
    if (stop > start) spans.push({ start, end: stop, by: '' });
    SCHEME_END.lastIndex = stop;
  }
  return spans;
}

function secretValues(text: string): Span[] {
  const spans: Span[] = [];
  let done = 0;
  for (const found of text.matchAll(PARAMETER)) {
    if (found.index < done || !isSecretParameter(decoded(found[1] as string))) continue;
    const start = found.index + found[0].length;
    VALUE_END.lastIndex = start;
    done = VALUE_END.exec(text)?.index ?? text.length;
    if (done > start) spans.push({ start, end: done, by: REDACTED });
  }
  return spans;
}

function decoded(name: string): string {
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
