import { readFileSync } from 'node:fs';

/** A span as a golden file has it; see README.md. */
export interface GoldenSpan {
  name: string;
  type: string;
  inputs?: unknown;
  outputs?: unknown;
  signature?: string;
  status: 'OK' | 'ERROR';
  exception?: { type: string; message: string };
  tokens?: number[];
  attributes?: Record<string, unknown>;
  children?: GoldenSpan[];
}

export interface GoldenTrace {
  state: 'OK' | 'ERROR';
  name: string;
  request?: unknown;
  response?: unknown;
  tokens?: number[];
  session?: string;
  user?: string;
  tags?: Record<string, string>;
  run?: string;
  assessments?: {
    name: string;
    value: unknown;
    rationale?: string;
    source: { source_type: string };
  }[];
  spans: GoldenSpan[];
}

export interface GoldenRun {
  id: string;
  name: string;
  status: string;
  parent?: string;
  params: Record<string, unknown>;
  metrics: Record<string, [number, number][]>;
  artifacts: Record<string, unknown>;
}

export interface Golden {
  name: string;
  traces: GoldenTrace[];
  runs?: GoldenRun[];
}

/**
 * Reads a golden file, its field names as TypeScript writes them.
 * @param rename further names, where Ax refuses the golden one
 */
export function readGolden(name: string, rename: Readonly<Record<string, string>> = {}): Golden {
  const file = new URL(`./golden/${name}.json`, import.meta.url);
  const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden;
  const traces = golden.traces.map((trace) => ({
    ...trace,
    request: renameFields(trace.request, rename),
    response: renameFields(trace.response, rename),
    spans: trace.spans.map((span) => renameSpan(span, rename)),
  }));
  return { ...golden, traces };
}

/** `search_query` → `searchQuery`, `Search Query` → `searchQuery`. */
export function camelCase(name: string): string {
  return name
    .trim()
    .replaceAll(/[ _]+([a-zA-Z])/g, (_, letter: string) => letter.toUpperCase())
    .replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}

function renameSpan(span: GoldenSpan, rename: Readonly<Record<string, string>>): GoldenSpan {
  const { inputs, outputs, signature, children, ...rest } = span;
  return {
    ...rest,
    ...(inputs !== undefined && { inputs: renameFields(inputs, rename) }),
    ...(outputs !== undefined && {
      outputs: Array.isArray(outputs)
        ? outputs.map((reply) => renameHeadings(reply, rename))
        : renameFields(outputs, rename),
    }),
    ...(signature !== undefined && {
      signature: signature.replaceAll(/\w+/g, (field) => rename[field] ?? field),
    }),
    ...(children && { children: children.map((child) => renameSpan(child, rename)) }),
  };
}

/** A reply of the golden model has its fields below headings. */
function renameHeadings(reply: unknown, rename: Readonly<Record<string, string>>): unknown {
  if (typeof reply !== 'string') return reply;
  return reply.replaceAll(/## (\w+) ##/g, (heading, field: string) =>
    rename[field] === undefined ? heading : `## ${rename[field]} ##`,
  );
}

/** Renames the fields of a program, which are the keys of the outermost object. */
function renameFields(value: unknown, rename: Readonly<Record<string, string>>): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [rename[key] ?? camelCase(key), field]),
  );
}
