import manifest from '../package.json' with { type: 'json' };

/** Name and version of the instrumentation scope. */
export const PACKAGE_NAME: string = manifest.name;
export const PACKAGE_VERSION: string = manifest.version;
