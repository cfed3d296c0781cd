import * as ax from '@ax-llm/ax';
import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { NodeSDK } from '@opentelemetry/sdk-node';

const instrumentation = new DspyInstrumentation();
instrumentation.manuallyInstrument(ax);
const traceExporter = new MlflowSpanExporter({ experimentName: 'dspy-traces' });
const sdk = new NodeSDK({ traceExporter, instrumentations: [instrumentation] });
sdk.start();
await import('./plain.mjs');
await sdk.shutdown();
