// @ts-check
// The program that is bundled into one file, with Ax and everything else it uses.
import { ai, ax } from '@ax-llm/ax';
import { autolog } from '@hokusai/mlflow-dspy';

autolog();

async function main() {
  const { OPENAI_API_KEY: apiKey = '', OPENAI_API_URL: apiURL } = process.env;
  const llm = ai({ name: 'openai', apiKey, ...(apiURL && { apiURL }) });
  const program = ax('question:string -> answer:string');
  console.log(await program.forward(llm, { question: 'What is two and two?' }));
}

main();
