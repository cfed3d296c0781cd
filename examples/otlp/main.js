// @ts-check
// Where there is no SDK, autolog() sends to any OTLP endpoint as OpenTelemetry's variables say.
//   OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 node examples/otlp/main.js
import { ax } from '@ax-llm/ax';
import { autolog } from '@hokusai/mlflow-dspy';
import { openModel } from '../lib/model.js';

autolog();

const model = await openModel(() => 'Answer: four');
const program = ax('question:string -> answer:string');
console.log(await program.forward(model.ai, { question: 'What is two and two?' }));
await model.close();
