// @ts-check
// What a package brings to those who install it: its files, its dependencies, what those bring along.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './cache.mjs';
import { run } from './processes.mjs';
import { QUIET_ENV } from './toolchain.mjs';

/**
 * @typedef {object} Manifest
 * @property {string} name
 * @property {string} version
 * @property {string} [license]
 * @property {Record<string, string>} [scripts]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [engines]
 * @property {unknown} [exports]
 */

/** @typedef {{ path: string, text: string }} PackedFile */

/**
 * An entry of `package-lock.json`.
 * @typedef {object} Locked
 * @property {string} [version]
 * @property {string} [resolved]
 * @property {string} [integrity]
 * @property {boolean} [link]
 * @property {boolean} [hasInstallScript]
 * @property {string} [deprecated]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [optionalDependencies]
 */

const FILES =
  /^(?:dist\/[\w.-]+\.(?:js|cjs|d\.ts|d\.cts)|README\.md|LICENSE|CHANGELOG\.md|THIRD-PARTY-NOTICES\.md|package\.json)$/;
/** npm runs these at the one who installs. */
const INSTALL_SCRIPTS = [
  'preinstall',
  'install',
  'postinstall',
  'prepare',
  'preprepare',
  'postprepare',
];
/** From a version up to the next that may break; between our own packages exactly that version. */
const RANGE = /^[\^~]?\d+\.\d+\.\d+$/;
const OWN = '@hokusai/';

/** Folders of the packages that are published. */
export const PACKAGES = readdirSync(join(ROOT, 'packages')).map((name) =>
  join(ROOT, 'packages', name),
);

/** @param {string} folder @returns {Manifest} */
export const manifestOf = (folder) =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/**
 * The files that `npm publish` would send.
 * @param {string} folder
 * @returns {Promise<PackedFile[]>}
 */
export async function packedFiles(folder) {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { code, stdout, output } = await run('npm', args, {
    cwd: folder,
    env: QUIET_ENV,
    quiet: true,
  });
  if (code !== 0) throw new Error(`npm pack failed:\n${output}`);
  // A list, or by package since npm 12.
  const [packed] = Object.values(JSON.parse(stdout));
  return packed.files.map((/** @type {{ path: string }} */ { path }) => ({
    path,
    text: readFileSync(join(folder, path), 'utf8'),
  }));
}

/**
 * What is wrong with the files of a package: none missing, none too many, nothing in them of the machine
 * that built them, no source of anybody else, and a notice for what others' code they contain.
 * @param {readonly PackedFile[]} files
 * @param {Manifest} manifest
 * @param {string} root the repository's folder
 * @returns {string[]}
 */
export function problemsOfFiles(files, manifest, root = ROOT) {
  const problems = [];
  const paths = new Set(files.map(({ path }) => path));
  for (const path of ['README.md', 'LICENSE', 'package.json', ...targetsOf(manifest.exports)]) {
    if (!paths.has(path)) problems.push(`${path} is missing`);
  }
  const notices = files.find(({ path }) => path === 'THIRD-PARTY-NOTICES.md')?.text ?? '';
  const bundled = new Set();
  for (const { path, text } of files) {
    if (!FILES.test(path)) problems.push(`${path} has no place in a package`);
    if (!path.startsWith('dist/')) continue;
    if (/sourceMappingURL|sourcesContent/.test(text)) problems.push(`${path} has a source map`);
    if (text.includes(root)) problems.push(`${path} names a folder of the machine that built it`);
    for (const [, name] of text.matchAll(/^\/\/ .*node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\//gm)) {
      bundled.add(name);
    }
  }
  for (const name of bundled) {
    if (!notices.includes(`\`${name}\``))
      problems.push(`THIRD-PARTY-NOTICES.md does not name ${name}`);
  }
  return problems;
}

/**
 * What is wrong with a manifest.
 * @param {Manifest} manifest
 * @param {string} readme of the package, which says why each dependency is there
 * @param {Readonly<Record<string, string>>} own version of each of our packages
 * @returns {string[]}
 */
export function problemsOfManifest(manifest, readme, own) {
  const problems = [];
  for (const name of INSTALL_SCRIPTS) {
    if (manifest.scripts?.[name] !== undefined)
      problems.push(`the script "${name}" runs on install`);
  }
  if (manifest.license === undefined) problems.push('no license');
  if (manifest.engines?.node === undefined) problems.push('no engines.node');
  for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
    if (name.startsWith(OWN)) {
      if (range !== own[name]) problems.push(`${name} is ${range} and not ${own[name]}`);
    } else if (!RANGE.test(range)) problems.push(`${name}: "${range}" is no version with ^ or ~`);
    if (!readme.includes(name)) problems.push(`the README does not say what ${name} is for`);
  }
  return problems;
}

/**
 * What is wrong with what a package brings along, all the way down.
 * @param {Readonly<Record<string, Locked>>} locked `packages` of the lockfile
 * @param {string} folder of the package, relative to the lockfile
 * @returns {string[]}
 */
export function problemsOfDependencies(locked, folder) {
  const problems = [];
  /** @type {Set<string>} */
  const seen = new Set();
  const waiting = [folder];
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    if (seen.has(place)) continue;
    seen.add(place);
    const entry = locked[place];
    if (entry === undefined) {
      problems.push(`${place} is not in the lockfile`);
      continue;
    }
    if (entry.link && entry.resolved) {
      waiting.push(entry.resolved);
      continue;
    }
    const isInstalled = place.includes('node_modules/');
    if (entry.hasInstallScript) problems.push(`${place} runs a script on install`);
    if (entry.deprecated) problems.push(`${place} is deprecated: ${entry.deprecated}`);
    if (isInstalled && !entry.integrity) problems.push(`${place} has no hash in the lockfile`);
    const names = Object.keys({ ...entry.dependencies, ...entry.optionalDependencies });
    for (const name of names) waiting.push(placeOf(locked, place, name));
  }
  return problems;
}

/**
 * Where Node finds a package that another one names.
 * @param {Readonly<Record<string, Locked>>} locked
 * @param {string} from
 * @param {string} name
 */
function placeOf(locked, from, name) {
  for (let base = from; base !== ''; base = base.slice(0, Math.max(0, base.lastIndexOf('/')))) {
    if (base.endsWith('node_modules')) continue;
    const place = `${base}/node_modules/${name}`;
    if (locked[place]) return place;
  }
  return `node_modules/${name}`;
}

/**
 * Files that the fields of `exports` lead to.
 * @param {unknown} exports
 * @returns {string[]}
 */
function targetsOf(exports) {
  if (typeof exports === 'string') return [exports.replace(/^\.\//, '')];
  if (typeof exports !== 'object' || exports === null) return [];
  return [...new Set(Object.values(exports).flatMap(targetsOf))];
}

/**
 * Packages that a changeset names.
 * @param {string} text
 * @returns {string[]}
 */
export function packagesOfChangeset(text) {
  const [, head = ''] = /^---\n([\s\S]*?)\n---\n\s*\S/.exec(text) ?? [];
  return [...head.matchAll(/^'([^']+)': (?:major|minor|patch)$/gm)].map(([, name = '']) => name);
}

/** Packages with changes that wait for the next release. */
function pendingChanges() {
  const folder = join(ROOT, '.changeset');
  const files = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
  return files.flatMap((name) => packagesOfChangeset(readFileSync(join(folder, name), 'utf8')));
}

/**
 * Everything that is wrong with one package.
 * @param {string} folder
 * @returns {Promise<string[]>}
 */
export async function problemsOf(folder) {
  const manifest = manifestOf(folder);
  const readme = join(folder, 'README.md');
  const own = Object.fromEntries(
    PACKAGES.map(manifestOf).map(({ name, version }) => [name, version]),
  );
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  const hasNews =
    existsSync(join(folder, 'CHANGELOG.md')) || pendingChanges().includes(manifest.name);
  return [
    ...(hasNews ? [] : ['neither a CHANGELOG.md nor a pending changeset']),
    ...problemsOfFiles(await packedFiles(folder), manifest),
    ...problemsOfManifest(manifest, existsSync(readme) ? readFileSync(readme, 'utf8') : '', own),
    ...problemsOfDependencies(packages, `packages/${folder.split('/').at(-1)}`),
  ];
}

/**
 * Asks the registry for known vulnerabilities of what the packages bring along.
 * @param {(message: string) => void} progress
 * @returns {Promise<import('./stages.mjs').Counts>} skipped where the registry does not tell
 */
export async function audit(progress) {
  const args = ['audit', '--omit=dev', '--json'];
  const { stdout } = await run('npm', args, { cwd: ROOT, env: QUIET_ENV, quiet: true });
  /** @type {{ vulnerabilities?: Record<string, { severity: string }> }} */
  const { vulnerabilities } = parse(stdout);
  if (vulnerabilities === undefined) {
    progress('npm audit is skipped: this registry does not tell of vulnerabilities');
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const found = Object.entries(vulnerabilities);
  for (const [name, { severity }] of found) progress(`FAILED: ${name} is vulnerable (${severity})`);
  return { passed: found.length === 0 ? 1 : 0, failed: found.length };
}

/** @param {string} json */
function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
}
