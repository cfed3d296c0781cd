import type { AttributeValue } from '@opentelemetry/api';

/** What attributes are written to. `undefined` is unknown, and unknown is absent. */
export interface AttributeTarget {
  set(name: string, value: AttributeValue | undefined): void;
}
