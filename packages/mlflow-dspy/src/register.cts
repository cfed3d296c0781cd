// `node --require @hokusai/mlflow-dspy/register app.js`: as register.ts, without waiting for anything.
const { isMainThread, parentPort }: typeof import('node:worker_threads') =
  require('node:worker_threads');

type Switch = typeof import('./config/kill-switch.js', { with: { 'resolution-mode': 'import' }});
type Package = typeof import('./index.js', { with: { 'resolution-mode': 'import' }});

const { isSwitchedOff }: Switch = require('./config/kill-switch.js');

if ((isMainThread || parentPort !== null) && !isSwitchedOff(process.env)) {
  try {
    require('@hokusai/instrumentation-dspy/loader-hooks');
    const { autolog }: Package = require('@hokusai/mlflow-dspy');
    autolog();
  } catch (error) {
    console.warn(
      `@hokusai/mlflow-dspy: nothing is traced, because it could not be loaded: ${error instanceof Error ? error.message : error}`,
    );
  }
}
