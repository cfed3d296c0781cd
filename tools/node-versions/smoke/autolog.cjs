require('@hokusai/mlflow-dspy').autolog();
require('./plain.cjs');
