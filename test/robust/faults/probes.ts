import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';
import ts from 'typescript';

const PACKAGES = fileURLToPath(new URL('../../../packages', import.meta.url));

/** What the probes call. Set before the instrumented code runs. */
export interface Probes {
  /** A function begins. */
  enter(id: string): void;
  /** A function has done its work, in whatever way. */
  leave(id: string): void;
}

/**
 * Builds our packages with a probe at the beginning and at the end of every function, so that a test
 * can make each of them throw in turn, whatever is added to them later.
 *
 * @param ids Where the ids of the functions are added.
 */
export function probes(packages: readonly string[], ids: Set<string>): Plugin {
  const filter = new RegExp(`/packages/(?:${packages.join('|')})/src/.*\\.ts$`);
  return {
    name: 'probes',
    setup(build) {
      // Modules of ours run functions as they load.
      const js = 'globalThis.__probes = { enter() {}, leave() {} };';
      build.initialOptions.banner = { js };
      build.onLoad({ filter }, async ({ path }) => ({
        contents: withProbes(await readFile(path, 'utf8'), relative(PACKAGES, path), ids),
        loader: 'ts',
      }));
    },
  };
}

interface Insertion {
  readonly at: number;
  readonly text: string;
}

/**
 * The source with probes in it.
 *
 * @param ids Where the ids of its functions are added: `PACKAGE/FILE OUTER/INNER`.
 */
export function withProbes(source: string, name: string, ids: Set<string>): string {
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true);
  const insertions: Insertion[] = [];
  const prefix = name.replace('/src/', '/');
  const visit = (node: ts.Node): void => {
    if (isFunction(node) && node.body !== undefined) probe(node, node.body);
    ts.forEachChild(node, visit);
  };
  const probe = (node: FunctionNode, body: ts.Node): void => {
    const name = unused(`${prefix} ${pathOf(node)}`, ids);
    ids.add(name);
    const id = JSON.stringify(name);
    const [start, end] = [body.getStart(), body.getEnd()];
    if (ts.isBlock(body) && body.statements.length === 0) {
      insertions.push({ at: start + 1, text: `__probes.enter(${id});__probes.leave(${id});` });
    } else if (ts.isBlock(body)) {
      insertions.push({ at: start + 1, text: `__probes.enter(${id});try{` });
      insertions.push({ at: end - 1, text: `}finally{__probes.leave(${id});}` });
    } else {
      insertions.push({ at: start, text: `{__probes.enter(${id});try{return (` });
      insertions.push({ at: end, text: `);}finally{__probes.leave(${id});}}` });
    }
  };
  visit(file);
  // From the back, so that positions stay right; of two at one place the outer one ends up last.
  let result = source;
  insertions.sort((a, b) => b.at - a.at);
  for (const { at, text } of insertions) result = result.slice(0, at) + text + result.slice(at);
  return result;
}

type FunctionNode =
  | ts.FunctionDeclaration
  | ts.FunctionExpression
  | ts.ArrowFunction
  | ts.MethodDeclaration
  | ts.GetAccessorDeclaration
  | ts.SetAccessorDeclaration;

/** Constructors are left out: they are covered by the functions that call them, and `super` comes first. */
function isFunction(node: ts.Node): node is FunctionNode {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isArrowFunction(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isGetAccessorDeclaration(node) ||
    ts.isSetAccessorDeclaration(node)
  );
}

/** Names of the functions around a function, and its own. */
function pathOf(node: FunctionNode): string {
  let path = nameOf(node);
  for (let { parent }: ts.Node = node; parent !== undefined; parent = parent.parent) {
    if (isFunction(parent)) path = `${nameOf(parent)}/${path}`;
    if (ts.isClassDeclaration(parent)) path = `${parent.name?.text}.${path}`;
  }
  return path;
}

function unused(id: string, ids: ReadonlySet<string>): string {
  for (let count = 2, candidate = id; ; count++) {
    if (!ids.has(candidate)) return candidate;
    candidate = `${id} ${count}`;
  }
}

function nameOf(node: FunctionNode): string {
  if (node.name !== undefined) return node.name.getText();
  const { parent } = node;
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) {
    return parent.name.getText();
  }
  return ts.isPropertyDeclaration(parent) ? parent.name.getText() : '(anonymous)';
}
