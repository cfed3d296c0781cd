import { ConnectionError } from './connection.js';

const HINTS: Record<string, string> = {
  SELF_SIGNED_CERT_IN_CHAIN: 'ca',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'ca',
  UNABLE_TO_GET_ISSUER_CERT: 'ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'ca',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server speaks http there, not https',
  EPROTO: 'the server does not speak TLS there, or wants a client certificate (clientCertPath)',
  ENOTFOUND: 'there is no such host; check the tracking URI',
  EAI_AGAIN: 'the host name could not be looked up',
};
const CA_HINT =
  'set serverCertPath (MLFLOW_TRACKING_SERVER_CERT_PATH) to the PEM file of the authority that signed the certificate';

/**
 * Why a request got no answer, in one line: the parts of an `AggregateError` (one per address of
 * `localhost`) and the chain of causes are unwrapped, and what to do is added where it is known.
 */
export function connectionFailure(address: string, error: unknown): ConnectionError {
  const { parts, code } = unwrap(error);
  const hint = code ? HINTS[code] : undefined;
  const text = `no answer from MLflow at ${address}: ${parts.join(', ') || 'unknown error'}`;
  return new ConnectionError(hint ? `${text} (${hint === 'ca' ? CA_HINT : hint})` : text, code, {
    cause: error,
  });
}

function unwrap(error: unknown): { parts: string[]; code: string | undefined } {
  const parts: string[] = [];
  let code: string | undefined;
  const pending: unknown[] = [error];
  // Bounded: an error graph may be cyclic.
  for (let seen = 0; pending.length > 0 && seen < 20; seen++) {
    const current = pending.shift();
    if (!(current instanceof Error)) {
      if (current !== undefined && current !== null) parts.push(String(current));
      continue;
    }
    const own = (current as NodeJS.ErrnoException).code;
    if (typeof own === 'string') code ??= own;
    const nested = [
      ...(current instanceof AggregateError ? current.errors : []),
      ...(current.cause === undefined ? [] : [current.cause]),
    ];
    const message = current.message.trim();
    if (message !== '' && !(current instanceof AggregateError) && !parts.includes(message)) {
      parts.push(message);
    }
    pending.push(...nested);
  }
  return { parts, code };
}
