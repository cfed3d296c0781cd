// @ts-check
// An application that has an OpenTelemetry SDK of its own: autolog() joins it, whichever starts first.
// Its exporter (here the console) gets the DSPy spans too, and a DSPy trace in MLflow has its spans.
//   node examples/node-sdk/main.js
import { ax } from '@ax-llm/ax';
import { autolog } from '@hokusai/mlflow-dspy';
import { trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace-base';
import { openModel } from '../lib/model.js';

const sdk = new NodeSDK({ traceExporter: new ConsoleSpanExporter(), instrumentations: [] });
sdk.start();
autolog();

const model = await openModel(() => 'Answer: four');
const program = ax('question:string -> answer:string');
await trace.getTracer('shop').startActiveSpan('GET /answer', async (span) => {
  const { answer } = await program.forward(model.ai, { question: 'What is two and two?' });
  console.log(answer);
  span.end();
});
await model.close();
await sdk.shutdown();
