// Preloaded before a snippet: what it sends to OpenAI goes to the mock model of the test instead.
const { MOCK_MODEL_URL } = process.env;
const original = globalThis.fetch;

/** @type {typeof original} */
const redirected = (input, init) => {
  const url = String(input instanceof Request ? input.url : input);
  if (!url.startsWith('https://api.openai.com/v1')) return original(input, init);
  if (!MOCK_MODEL_URL) throw new Error('a snippet called a model, and the test has none');
  return original(url.replace('https://api.openai.com/v1', MOCK_MODEL_URL), init);
};

Object.defineProperty(globalThis, 'fetch', {
  value: redirected,
  configurable: true,
  writable: true,
});
