import { autolog } from '@hokusai/mlflow-dspy';
import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK({ instrumentations: [] });
sdk.start();
autolog();
await import('./plain.mjs');
await sdk.shutdown();
