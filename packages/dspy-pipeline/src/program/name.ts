import * as ax from '@ax-llm/ax';
import { inputFields, outputFields } from '../signatures/fields.js';
import type { AnySignature } from '../signatures/types.js';
import { identityOf } from './identity.js';

interface Named {
  readonly traceLabel?: unknown;
  readonly flowName?: unknown;
  readonly func?: { readonly name?: unknown };
  getSignature?(): AnySignature;
}

// By identity: class names of Ax are minified. Those an older Ax lacks are undefined here.
const BUILT_IN = new Map<unknown, string>([
  [ax.AxGen, 'AxGen'],
  [ax.AxFlow, 'AxFlow'],
  [ax.AxAgent, 'AxAgent'],
  [ax.AxBestOfN, 'AxBestOfN'],
  [ax.AxRefine, 'AxRefine'],
]);

const MAX_FIELDS_LENGTH = 100;

/**
 * What a program is called: its identity's name, else Ax's trace label, flow or agent name, the
 * user's class, or its fields: `AxGen(review -> sentiment)`.
 */
export function programName(program: object): string {
  const named = program as Named;
  const given = [
    identityOf(program)?.name,
    named.traceLabel,
    named.flowName,
    named.func?.name,
    isOwnClass(program) ? program.constructor.name : undefined,
  ];
  const name = given.find((value): value is string => typeof value === 'string' && value !== '');
  return name ?? `${BUILT_IN.get(program.constructor) ?? 'program'}${fieldsOf(named)}`;
}

function isOwnClass({ constructor: type }: object): boolean {
  return typeof type === 'function' && type !== Object && !BUILT_IN.has(type);
}

function fieldsOf(program: Named): string {
  const signature = signatureOf(program);
  if (!signature) return '';
  const names = (fields: readonly { name: string }[]) => fields.map(({ name }) => name).join(', ');
  const text = `${names(inputFields(signature))} -> ${names(outputFields(signature))}`;
  return `(${text.length > MAX_FIELDS_LENGTH ? `${text.slice(0, MAX_FIELDS_LENGTH)}…` : text})`;
}

function signatureOf(program: Named): AnySignature | undefined {
  try {
    return program.getSignature?.();
  } catch {
    return undefined;
  }
}
