// Lets instrumentations see what is imported: `import '@hokusai/instrumentation-dspy/loader-hooks'`.
// Once in a process; `/register` does it too.
import { register as registerLoader } from 'node:module';
import { claimLoaderHooks, HOOKED_MODULES } from './hooked-modules.js';

if (claimLoaderHooks()) {
  const include = [...HOOKED_MODULES];
  const { register, supportsSyncHooks } = await import('import-in-the-middle/register-hooks.mjs');
  if (supportsSyncHooks()) register({ include });
  else registerLoader('import-in-the-middle/hook.mjs', import.meta.url, { data: { include } });
}
