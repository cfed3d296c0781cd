// @ts-check
// The same in CommonJS.
//   node --require @hokusai/mlflow-dspy/register examples/register-cjs/main.cjs
const { ai, ax } = require('@ax-llm/ax');
const { openEndpoint } = require('../lib/endpoint.cjs');

async function main() {
  const endpoint = await openEndpoint(() => 'Answer: four');
  const program = ax('question:string -> answer:string');
  console.log(await program.forward(ai(endpoint.options), { question: 'What is two and two?' }));
  await endpoint.close();
}

main();
