import { describe, expect, it } from 'vitest';
import {
  packagesOfChangeset,
  problemsOfDependencies,
  problemsOfFiles,
  problemsOfManifest,
} from '../../scripts/lib/published.mjs';

const manifest = {
  name: '@hokusai/x',
  version: '1.0.0',
  license: 'Apache-2.0',
  engines: { node: '>=20' },
  exports: { '.': { import: { types: './dist/index.d.ts', default: './dist/index.js' } } },
};
const file = (path: string, text = '') => ({ path, text });
const good = ['README.md', 'LICENSE', 'package.json', 'dist/index.js', 'dist/index.d.ts'].map(
  (path) => file(path),
);
const filesProblems = (...more: { path: string; text: string }[]) =>
  problemsOfFiles([...good, ...more], manifest, '/home/me/project');

describe('the files of a package', () => {
  it('are its builds, README and licence', () => {
    expect(filesProblems(file('CHANGELOG.md'), file('dist/other.cjs', '// src/x.ts'))).toEqual([]);
  });

  it('are all there', () => {
    const missing = good.map(({ path }) => `${path} is missing`);
    expect(problemsOfFiles([], manifest).sort()).toEqual(missing.sort());
  });

  it.each(['dist/index.js.map', 'src/index.ts', 'test/x.test.ts', '.env', 'dist/deep/x.js'])(
    'do not include %s',
    (path) => {
      expect(filesProblems(file(path))).toEqual([`${path} has no place in a package`]);
    },
  );

  it.each([
    ['//# sourceMappingURL=index.js.map', 'has a source map'],
    ['{"sourcesContent":[]}', 'has a source map'],
    ['"/home/me/project/src/x.ts"', 'names a folder of the machine that built it'],
  ])('do not hold %s', (text, problem) => {
    expect(filesProblems(file('dist/a.js', text))).toEqual([`dist/a.js ${problem}`]);
  });

  it('name those whose code they contain', () => {
    const code = [
      '// ../../node_modules/@x/core/build/a.js',
      '// node_modules/y/b.js',
      '// ../../node_modules/y/node_modules/z/b.js',
    ].join('\n');
    const bundle = file('dist/a.js', code);
    expect(filesProblems(bundle, file('THIRD-PARTY-NOTICES.md', '- `@x/core`\n- `z`'))).toEqual([
      'THIRD-PARTY-NOTICES.md does not name y',
    ]);
  });
});

describe('a manifest', () => {
  const problems = (more: object, readme = 'zod does, @hokusai/y too') =>
    problemsOfManifest({ ...manifest, ...more }, readme, { '@hokusai/y': '1.2.0' });

  it('has a licence, an engine, and dependencies with a bound that the README explains', () => {
    expect(problems({ dependencies: { zod: '^4.0.0', '@hokusai/y': '1.2.0' } })).toEqual([]);
    expect(problems({ license: undefined, engines: {} })).toEqual([
      'no license',
      'no engines.node',
    ]);
    expect(problems({ dependencies: { zod: '4.1.0' } }, 'nothing')).toEqual([
      'the README does not say what zod is for',
    ]);
  });

  it.each(['*', 'latest', '>=4', '4', 'x', 'git+https://host/zod.git', 'file:../zod'])(
    'does not depend on %s',
    (range) => {
      expect(problems({ dependencies: { zod: range } })).toEqual([
        `zod: "${range}" is no version with ^ or ~`,
      ]);
    },
  );

  it('names the very version of a package of ours', () => {
    expect(problems({ dependencies: { '@hokusai/y': '^1.2.0' } })).toHaveLength(1);
  });

  it.each(['preinstall', 'install', 'postinstall', 'prepare'])('has no %s', (name) => {
    expect(problems({ scripts: { build: 'x', [name]: 'x' } })).toEqual([
      `the script "${name}" runs on install`,
    ]);
  });
});

describe('what a package brings along', () => {
  const fine = { version: '1.0.0', integrity: 'sha512-x' };
  const locked = {
    'packages/x': { dependencies: { '@hokusai/y': '1.0.0', a: '^1.0.0' } },
    'packages/y': { dependencies: { b: '^1.0.0' }, optionalDependencies: { c: '^1.0.0' } },
    'node_modules/@hokusai/y': { link: true, resolved: 'packages/y' },
    'node_modules/a': { ...fine, dependencies: { b: '^2.0.0' } },
    'node_modules/a/node_modules/b': fine,
    'node_modules/b': fine,
    'node_modules/c': fine,
    'node_modules/unrelated': { version: '1.0.0', hasInstallScript: true },
  };
  const problems = (more: object) => problemsOfDependencies({ ...locked, ...more }, 'packages/x');

  it('is known by its hash, all the way down', () => {
    expect(problems({})).toEqual([]);
    expect(problems({ 'node_modules/c': { version: '1.0.0' } })).toEqual([
      'node_modules/c has no hash in the lockfile',
    ]);
    expect(problems({ 'node_modules/b': undefined })).toEqual([
      'node_modules/b is not in the lockfile',
    ]);
  });

  it.each([
    [{ hasInstallScript: true }, 'runs a script on install'],
    [{ deprecated: 'use c' }, 'is deprecated: use c'],
  ])('is not %j', (more, problem) => {
    expect(problems({ 'node_modules/a/node_modules/b': { ...fine, ...more } })).toEqual([
      `node_modules/a/node_modules/b ${problem}`,
    ]);
  });
});

describe('a changeset', () => {
  it('names packages in its head and says something', () => {
    const head = "---\n'@x/a': minor\n'@x/b': patch\n---\n";
    expect(packagesOfChangeset(`${head}\nIt does.\n`)).toEqual(['@x/a', '@x/b']);
    expect(packagesOfChangeset(`${head}\n`)).toEqual([]);
    expect(packagesOfChangeset("---\n\n## '@x/a': minor\n\nIt does.\n")).toEqual([]);
  });
});
