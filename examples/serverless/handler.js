// @ts-check
// A function that is frozen between calls: each call ends with flush(), and the next goes on as before.
import { ax } from '@ax-llm/ax';
import { autolog } from '@hokusai/mlflow-dspy';
import { openModel } from '../lib/model.js';

const client = autolog();
const model = await openModel(({ user }) => `Answer: you asked ${/\w+\?/.exec(user)}`);
const program = ax('question:string -> answer:string');

/** @param {{ question: string }} event */
export async function handler(event) {
  try {
    return await program.forward(model.ai, event);
  } finally {
    await client.flush();
  }
}
