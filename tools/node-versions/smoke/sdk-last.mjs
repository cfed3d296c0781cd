import { autolog } from '@hokusai/mlflow-dspy';
import { NodeSDK } from '@opentelemetry/sdk-node';

autolog();
const sdk = new NodeSDK({ instrumentations: [] });
sdk.start();
await import('./plain.mjs');
await sdk.shutdown();
