// As loader-hooks.ts, for `require()`.
type HookedModules = typeof import('./hooked-modules.js', { with: { 'resolution-mode': 'import' }});

/** `import-in-the-middle/register-hooks.mjs`. */
interface SyncHooks {
  supportsSyncHooks(): boolean;
  register(options: { include: RegExp[] }): void;
}

const { claimLoaderHooks, HOOKED_MODULES }: HookedModules = require('./hooked-modules.js');

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

if (claimLoaderHooks()) hookImports();
