// `node --import @hokusai/mlflow-dspy/register app.js`: autolog() before the application, configured by
// the environment alone. Whatever goes wrong here must not take the application down.
import { isMainThread, parentPort } from 'node:worker_threads';
import { isSwitchedOff } from './config/kill-switch.js';

// Node preloads modules in its own thread of loader hooks too, a worker that nobody talks to.
if ((isMainThread || parentPort !== null) && !isSwitchedOff(process.env)) {
  try {
    // Before Ax is imported for the first time: for copies of Ax other than ours.
    await import('@hokusai/instrumentation-dspy/loader-hooks');
    const { autolog } = await import('@hokusai/mlflow-dspy');
    autolog();
  } catch (error) {
    console.warn(
      `@hokusai/mlflow-dspy: nothing is traced, because it could not be loaded: ${error instanceof Error ? error.message : error}`,
    );
  }
}
