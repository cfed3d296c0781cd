// @ts-check
// One call in the program itself: no loader flag, Ax imported as ever.
//   node examples/esm/main.js
import { ax } from '@ax-llm/ax';
import { autolog } from '@hokusai/mlflow-dspy';
import { openModel } from '../lib/model.js';

autolog();

const model = await openModel(() => 'Answer: four');
const program = ax('question:string -> answer:string');
console.log(await program.forward(model.ai, { question: 'What is two and two?' }));
await model.close();
