// A support desk that runs DSPy-style programs with Ax. Nothing here knows of tracing.
import { ai } from '@ax-llm/ax';
import { DspyPipelineExecutor, signatures } from '@hokusai/dspy-pipeline';
import {
  accountReader,
  handbookAgent,
  letter,
  orderDesk,
  reviewReader,
  triage,
} from './programs.js';

const { DEMO_PROVIDER = 'openai', DEMO_API_KEY = 'none', DEMO_API_URL, DEMO_MODEL } = process.env;

const llm = ai({
  name: /** @type {'openai'} */ (DEMO_PROVIDER),
  apiKey: DEMO_API_KEY,
  ...(DEMO_API_URL && { apiURL: DEMO_API_URL }),
  config: { stream: true, ...(DEMO_MODEL && { model: /** @type {never} */ (DEMO_MODEL) }) },
});

/**
 * @param {string} what
 * @param {unknown} result
 */
const show = (what, result) => console.log(`${what.padEnd(12)}`, result);

// The guide's quick start: a library signature through the executor, which reports and does not throw.
const executor = new DspyPipelineExecutor({ ai: llm });
const { outputs, error } = await executor.execute({
  program: signatures.DraftText,
  inputs: { topic: 'AI safety', purpose: 'a 200-word introduction' },
});
show('draft', outputs?.draft ?? error?.message);

const message = 'My parcel A-1042 should have been here on Monday, and I need it tomorrow!';
show('triage', await triage.forward(llm, { message }));

const question = 'Where is order A-1042, and what did it cost in dollars?';
show('order desk', (await orderDesk.forward(llm, { question })).answer);

const reviewText = 'Great shoes, but the parcel came a week late.';
show('review', await reviewReader.forward(llm, { reviewText }, { traceLabel: 'ReviewReader' }));

const query = 'How long may I return goods?';
show('handbook', (await handbookAgent.forward(llm, { query })).answer);

process.stdout.write('letter       ');
const facts = 'order A-1042 is on its way with DHL';
for await (const { delta } of letter.streamingForward(llm, { customer: 'Ms Ito', facts })) {
  process.stdout.write(delta.letter ?? '');
}
process.stdout.write('\n');

try {
  await accountReader.forward(llm, { message: 'My account is DE89' }, { maxRetries: 1 });
} catch (error) {
  show('account', `failed as it should: ${/** @type {Error} */ (error).message.split('\n')[0]}`);
}
