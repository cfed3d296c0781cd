/** A `fetch` that brings a provider's requests to `origin`, whatever host they are meant for (Ax 12 takes no URL). */
export function fetchTo(origin: string): typeof fetch {
  return (input: string | URL | Request, init?: RequestInit) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input);
    return fetch(origin + pathname + search, init);
  };
}

export interface ServiceOptions {
  /** Default `gpt-4o-mini`. */
  model?: string;
  stream?: boolean;
  /** Further arguments of the constructor. */
  [argument: string]: unknown;
}

/** An OpenAI service of a copy of Ax that talks to `origin`. */
// biome-ignore lint/suspicious/noExplicitAny: the types of Ax differ from major to major
export function openAI(ax: any, origin: string, options: ServiceOptions = {}): any {
  const { model = 'gpt-4o-mini', stream = false, ...rest } = options;
  return new ax.AxAIOpenAI({
    apiKey: 'sk-test',
    config: { model, stream },
    options: { fetch: fetchTo(new URL(origin).origin), retry: { maxRetries: 0 } },
    ...rest,
  });
}
