// `node --import @hokusai/instrumentation-dspy/register app.js`
import {
  createRegistered,
  isMissing,
  needsSdk,
  reportFailure,
  type SdkModule,
  startSdk,
} from './registration.js';

async function registerAll(): Promise<void> {
  const instrumentation = createRegistered();
  if (instrumentation === undefined) return;
  await import('@hokusai/instrumentation-dspy/loader-hooks');
  if (!needsSdk()) return;
  try {
    startSdk(instrumentation, (await import('@opentelemetry/sdk-node')) as SdkModule);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

try {
  await registerAll();
} catch (error) {
  reportFailure(error);
}
