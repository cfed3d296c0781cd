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

export function readGolden(name: string): Golden {
  const file = new URL(`./golden/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Golden;
}
