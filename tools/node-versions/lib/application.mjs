// @ts-check
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ROOT } from '../../../scripts/lib/cache.mjs';
import { run } from '../../../scripts/lib/processes.mjs';
import { LINES, nodeFolder, PNPM, TOOLS } from './cells.mjs';

/** In the order in which they depend on each other. */
const PACKAGES = ['instrumentation-dspy', 'exporter-mlflow', 'mlflow-dspy', 'dspy-pipeline'];
const AX = '@ax-llm/ax@24.0.21';

/**
 * Packs the built packages as they would be published.
 * @param {string} folder
 * @returns {Promise<Record<string, string>>} tarball by package name
 */
export async function pack(folder) {
  mkdirSync(folder, { recursive: true });
  /** @type {Record<string, string>} */
  const tarballs = {};
  for (const name of PACKAGES) {
    const { code, stdout, output } = await run(
      'npm',
      ['pack', '--json', '--pack-destination', folder],
      { cwd: join(ROOT, 'packages', name), quiet: true },
    );
    if (code !== 0) throw new Error(`npm pack failed:\n${output}`);
    tarballs[`@hokusai/${name}`] = join(folder, packed(stdout));
  }
  return tarballs;
}

/**
 * File name of the only tarball in the answer of `npm pack --json`: a list, or by package since npm 12.
 * @param {string} json
 */
function packed(json) {
  const [entry] = Object.values(JSON.parse(json));
  return entry.filename;
}

/** An application in an empty folder, with a Node and a package manager of its own. */
export class Application {
  /** @param {import('./cells.mjs').Cell} cell */
  constructor(cell) {
    this.cell = cell;
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'matrix-')));
    // npm chooses versions by the Node that it runs on.
    const bin = nodeFolder(cell.node);
    this.node = join(bin, 'node');
    this.env = {
      ...Object.fromEntries(
        Object.entries(process.env).filter(
          ([name]) => !/^(OTEL_|MLFLOW_|NODE_OPTIONS$|npm_(lifecycle|package)_)/.test(name),
        ),
      ),
      PATH: `${bin}${delimiter}${process.env.PATH}`,
      XDG_STATE_HOME: join(this.folder, 'state'),
    };
  }

  /**
   * Installs the tarballs, Ax and the OpenTelemetry line.
   * @param {Record<string, string>} tarballs
   * @returns {Promise<{ code: number, warnings: string[], output: string }>}
   */
  async install(tarballs) {
    const line = [...LINES[this.cell.line]];
    const ours = [AX, ...Object.values(tarballs).map((file) => `file:${file}`)];
    const steps = this.cell.order === 'together' ? [[...line, ...ours]] : [ours, line];
    writeFileSync(
      join(this.folder, 'package.json'),
      JSON.stringify({ name: 'app', version: '1.0.0', private: true, type: 'module' }),
    );
    // Our packages name each other by version; until they are on a registry pnpm finds them here.
    const overrides = Object.entries(tarballs).map(
      ([name, file]) => `  '${name}': 'file:${file}'\n`,
    );
    writeFileSync(join(this.folder, 'pnpm-workspace.yaml'), `overrides:\n${overrides.join('')}`);
    let code = 0;
    let output = '';
    for (const step of steps) {
      const result = await this.#add(step);
      code ||= result.code;
      output += result.output;
    }
    const warnings = output
      .split('\n')
      .filter((line) => /\bwarn|unmet|ERR|error/i.test(line) && !/deprecated/i.test(line));
    cpSync(join(TOOLS, 'smoke'), this.folder, { recursive: true });
    return { code, warnings, output };
  }

  /**
   * Runs a Node program in the folder.
   * @param {string[]} args
   * @param {Record<string, string>} [env]
   */
  async run(args, env = {}) {
    return run(this.node, args, { cwd: this.folder, env: { ...this.env, ...env }, quiet: true });
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** @param {string[]} wanted */
  async #add(wanted) {
    const options = { cwd: this.folder, env: { ...this.env, CI: '1' }, quiet: true };
    if (this.cell.manager === 'pnpm') {
      return run(this.node, [PNPM, 'add', '--ignore-scripts', ...wanted], options);
    }
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...wanted];
    return run(this.node, [await npmCli(), ...args], options);
  }
}

/** The script behind the `npm` command, to run it with another Node. */
async function npmCli() {
  const { stdout } = await run('sh', ['-c', 'readlink -f "$(command -v npm)"'], { quiet: true });
  return stdout.trim();
}
