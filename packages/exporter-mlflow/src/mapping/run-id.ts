/** MLflow's own rule for ids of runs that it has not made itself (mlflow/utils/validation.py). They travel as a header. */
export function isRunId(text: string): boolean {
  return /^[a-zA-Z0-9][\w-]{0,255}$/.test(text);
}
