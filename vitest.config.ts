import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (name: string): string =>
  fileURLToPath(new URL(`./packages/${name}/src/index.ts`, import.meta.url));

// Tests read the packages from source, so a change is tested without a build. Tests of what is
// published (loading, bundles, packed tarballs) name `dist` or a tarball themselves.
const alias = [
  { find: /^@hokusai\/instrumentation-dspy$/, replacement: source('instrumentation-dspy') },
  { find: /^@hokusai\/exporter-mlflow$/, replacement: source('exporter-mlflow') },
  { find: /^@hokusai\/mlflow-dspy$/, replacement: source('mlflow-dspy') },
  { find: /^@hokusai\/dspy-pipeline$/, replacement: source('dspy-pipeline') },
];

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'test/scripts/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 20_000,
          hookTimeout: 180_000,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'robust',
          include: ['test/robust/**/*.test.ts'],
          pool: 'forks',
          // They measure memory and time, or drive many processes.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 600_000,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'e2e',
          include: ['test/{e2e,parity}/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
