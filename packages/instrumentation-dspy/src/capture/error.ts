export interface DescribeErrorOptions {
  /** `false`: neither message nor stack may hold program content. Default `true`. */
  content?: boolean;
  /** Applied to message and stack. */
  redactText?: (text: string) => string;
  /** Byte budget (UTF-8) of message and stack together. Default 16384. */
  maxBytes?: number;
}

export interface ErrorDescription {
  /** Class name (Ax's `.name`, never a minified one) or the type of a value that is no Error: `exception.type`. */
  type: string;
  /** `error.type`: the provider's code or status where there is one, else `type`. */
  code: string;
  message: string;
  /** Stack with the chain of causes and the members of AggregateErrors; absent when the value has none. */
  stack?: string;
  /** HTTP status the provider answered. */
  status?: number;
  /** The provider's id of the request. */
  requestId?: string;
}

/** What was thrown, whatever it is. Never throws. */
export function describeError(
  error: unknown,
  options: DescribeErrorOptions = {},
): ErrorDescription {
  const type = error instanceof Error ? error.name : typeof error;
  return { type, code: type, message: options.content === false ? type : String(error) };
}
