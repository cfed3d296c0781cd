// @ts-check
// Finished traces and live spans inside the program, and alerts.
//   node examples/processors/main.js
import { ax } from '@ax-llm/ax';
import { alertOn, autolog, logSink, webhookSink } from '@hokusai/mlflow-dspy';
import { openModel } from '../lib/model.js';

const client = autolog();

client.addTraceProcessor(({ name, durationMs, tokens }) => {
  console.log(`trace ${name}: ${Math.round(durationMs)} ms, ${tokens?.totalTokens} tokens`);
});
client.onSpan(({ name, type }) => console.log(`span ${type} ${name}`));

const { ALERT_WEBHOOK } = process.env;
const sink = ALERT_WEBHOOK ? webhookSink(ALERT_WEBHOOK) : logSink();
client.addTraceProcessor(alertOn({ slowerThanMs: 0, costOver: 1, errorRateOver: 0.5 }, sink));

const model = await openModel(() => 'Answer: four');
const program = ax('question:string -> answer:string');
await program.forward(model.ai, { question: 'What is two and two?' });
await client.flush();
await model.close();
