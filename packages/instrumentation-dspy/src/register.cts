// `node --require @hokusai/instrumentation-dspy/register app.js`: as register.ts, without waiting for anything.
type Registration = typeof import('./registration.js', { with: { 'resolution-mode': 'import' }});
type Sdk = Parameters<Registration['startSdk']>[1];

/** `import-in-the-middle/register-hooks.mjs`. */
interface SyncHooks {
  supportsSyncHooks(): boolean;
  register(options: { include: RegExp[] }): void;
}

const registration: Registration = require('./registration.js');
const { createRegistered, HOOKED_MODULES, isMissing, needsSdk, reportFailure, startSdk } =
  registration;

/** For what a CommonJS application imports; what it requires is hooked by the instrumentation itself. */
function hookImports(): void {
  const include = [...HOOKED_MODULES];
  const hooks = syncHooks();
  if (hooks?.supportsSyncHooks() === true) {
    hooks.register({ include });
    return;
  }
  const nodeModule: typeof import('node:module') = require('node:module');
  const nodeUrl: typeof import('node:url') = require('node:url');
  nodeModule.register('import-in-the-middle/hook.mjs', nodeUrl.pathToFileURL(__filename), {
    data: { include },
  });
}

/** Node 20.18 cannot require an ES module. */
function syncHooks(): SyncHooks | undefined {
  try {
    return require('import-in-the-middle/register-hooks.mjs') as SyncHooks;
  } catch {
    return undefined;
  }
}

try {
  const instrumentation = createRegistered();
  if (instrumentation !== undefined) {
    hookImports();
    if (needsSdk()) startSdk(instrumentation, require('@opentelemetry/sdk-node') as Sdk);
  }
} catch (error) {
  if (!isMissing(error)) reportFailure(error);
}
