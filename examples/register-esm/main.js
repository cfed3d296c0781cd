// @ts-check
// A program that knows nothing of tracing; the environment turns it on and says where it sends.
//   node --import @hokusai/mlflow-dspy/register examples/register-esm/main.js
import { ax } from '@ax-llm/ax';
import { openModel } from '../lib/model.js';

const model = await openModel(() => 'Answer: four');
const program = ax('question:string -> answer:string');
console.log(await program.forward(model.ai, { question: 'What is two and two?' }));
await model.close();
