// `node --import @hokusai/mlflow-dspy/register app.js`: autolog() before the application, configured by
// the environment alone. Whatever goes wrong here must not take the application down.
try {
  const { autolog } = await import('@hokusai/mlflow-dspy');
  autolog();
} catch (error) {
  console.warn(
    `@hokusai/mlflow-dspy: nothing is traced, because it could not be loaded: ${error instanceof Error ? error.message : error}`,
  );
}
