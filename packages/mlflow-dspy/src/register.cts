// `node --require @hokusai/mlflow-dspy/register app.js`: as register.ts.
try {
  const { autolog } = require('@hokusai/mlflow-dspy') as typeof import('./index.js', { with: {
    'resolution-mode': 'import',
  }});
  autolog();
} catch (error) {
  console.warn(
    `@hokusai/mlflow-dspy: nothing is traced, because it could not be loaded: ${error instanceof Error ? error.message : error}`,
  );
}
