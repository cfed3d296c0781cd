import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  target: 'node20',
  dts: true,
  clean: true,
  sourcemap: false,
  treeshake: true,
  // The trace SDK and the OTLP exporters become part of the build: docs/decisions/tracer-provider.md.
  noExternal: [/^@opentelemetry\/(?!api$)/],
  esbuildOptions(options) {
    // Their ESM halves, of which only what is used gets in: a tenth of the size.
    options.mainFields = ['module', 'main'];
  },
});
