import { readFileSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';

type Plugin = NonNullable<Options['esbuildPlugins']>[number];

/**
 * `context-async-hooks` has no ESM half. Its `require()` of what stays outside the ESM build becomes an
 * import: there is no `require` in an ES module, and making one needs `import.meta.url`, which a
 * single-file bundle does not have.
 */
const requireAsImport: Plugin = {
  name: 'require-as-import',
  setup(build) {
    if (build.initialOptions.format !== 'esm') return;
    build.onLoad({ filter: /context-async-hooks[\\/]build[\\/]src[\\/].*\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        /require\("(@opentelemetry\/api|async_hooks|events)"\)/g,
        'require("import:$1")',
      ),
    }));
    build.onResolve({ filter: /^import:/ }, ({ path }) => ({
      path: path.slice('import:'.length),
      namespace: 'import',
    }));
    build.onLoad({ filter: /./, namespace: 'import' }, ({ path }) => ({
      contents: `export * from ${JSON.stringify(path)};`,
      resolveDir: import.meta.dirname,
    }));
  },
};

const common: Options = {
  target: 'node20',
  sourcemap: false,
  treeshake: true,
  splitting: false,
  // The trace SDK and the OTLP exporters become part of the build: docs/decisions/tracer-provider.md.
  noExternal: [/^@opentelemetry\/(?!api$)/],
  external: [/^@hokusai\//],
  esbuildPlugins: [requireAsImport],
  esbuildOptions(options) {
    // Their ESM halves, of which only what is used gets in: a tenth of the size.
    options.mainFields = ['module', 'main'];
  },
};

// Builds run side by side: the types of the package itself come from its source, not from `dist`.
const registrationTypes: Options['dts'] = {
  compilerOptions: { paths: { '@hokusai/mlflow-dspy': ['./src/index.ts'] } },
};

export default defineConfig([
  {
    ...common,
    entry: ['src/index.ts'],
    format: ['esm', 'cjs'],
    dts: true,
    clean: ['!register.*'],
  },
  { ...common, entry: { register: 'src/register.ts' }, format: ['esm'], dts: registrationTypes },
  { ...common, entry: { register: 'src/register.cts' }, format: ['cjs'], dts: registrationTypes },
]);
