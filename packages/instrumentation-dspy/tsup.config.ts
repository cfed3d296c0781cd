import { defineConfig, type Options } from 'tsup';

const common: Options = {
  target: 'node20',
  sourcemap: false,
  treeshake: true,
  splitting: false,
  // The registration uses the package as everybody does: one copy of it in a process.
  external: [/^@hokusai\/instrumentation-dspy/],
};

// Builds run side by side: the types of the package itself come from its source, not from `dist`.
const registrationTypes: Options['dts'] = {
  compilerOptions: {
    paths: {
      '@hokusai/instrumentation-dspy': ['./src/index.ts'],
      '@hokusai/instrumentation-dspy/loader-hooks': ['./src/loader-hooks.ts'],
    },
  },
};

export default defineConfig([
  {
    ...common,
    entry: ['src/index.ts'],
    format: ['esm', 'cjs'],
    dts: true,
    clean: ['!register.*', '!loader-hooks.*'],
  },
  {
    ...common,
    entry: ['src/register.ts', 'src/loader-hooks.ts'],
    format: ['esm'],
    dts: registrationTypes,
  },
  {
    ...common,
    entry: ['src/register.cts', 'src/loader-hooks.cts'],
    format: ['cjs'],
    dts: registrationTypes,
  },
]);
