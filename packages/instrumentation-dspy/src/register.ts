// `node --import @hokusai/instrumentation-dspy/register app.js`
import { register as registerLoader } from 'node:module';
import {
  createRegistered,
  HOOKED_MODULES,
  isMissing,
  needsSdk,
  reportFailure,
  type SdkModule,
  startSdk,
} from './registration.js';

async function registerAll(): Promise<void> {
  const instrumentation = createRegistered();
  if (instrumentation === undefined) return;
  const include = [...HOOKED_MODULES];
  const { register, supportsSyncHooks } = await import('import-in-the-middle/register-hooks.mjs');
  if (supportsSyncHooks()) register({ include });
  else registerLoader('import-in-the-middle/hook.mjs', import.meta.url, { data: { include } });
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
