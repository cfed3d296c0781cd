import * as sdk from '@opentelemetry/sdk-trace';

export * from '@opentelemetry/sdk-trace';
export { TracerProvider as BasicTracerProvider } from '@opentelemetry/sdk-trace';

export class BatchSpanProcessor extends sdk.BatchSpanProcessor {
  constructor(exporter, config = {}) {
    super({ exporter, ...config });
  }
}

export class SimpleSpanProcessor extends sdk.SimpleSpanProcessor {
  constructor(exporter) {
    super({ exporter });
  }
}
