import { autolog } from '@hokusai/mlflow-dspy';

autolog();
await import('./plain.mjs');
