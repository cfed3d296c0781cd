// Everything that traces this program: load it first, with `node --import ./instrumentation.js main.js`.

// Lets instrumentations see what is imported from here on.
import '@hokusai/instrumentation-dspy/loader-hooks';
import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK({
  serviceName: 'support-desk',
  // MLFLOW_TRACKING_URI names the server; without it traces go to files below ./traces.
  traceExporter: new MlflowSpanExporter({ experimentName: 'support-desk' }),
  instrumentations: [new DspyInstrumentation()],
});
sdk.start();

// Rejects when traces could not be delivered; the exporter has said why by then.
process.once('beforeExit', () => sdk.shutdown().catch(() => {}));
