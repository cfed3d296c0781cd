import { nearest } from '../../../exporter-mlflow/src/nearest.js';
import { mismatch, typeMismatch } from '../signatures/compatibility.js';
import { inputFields, outputFields, type SignatureField } from '../signatures/fields.js';
import { suggest } from '../suggest.js';
import type { ChainStep } from './chains.js';
import type { ConfigPath, Problems } from './problems.js';

/** Checks that everything a chain's steps need reaches them. */
export class Wiring {
  /** What the chain takes: as its input signature says, or what no step gives. */
  readonly inputs: Map<string, SignatureField>;
  readonly #derived: boolean;
  readonly #outputs = new Map<string, SignatureField>();
  readonly #loopOutputs = new Set<string>();

  constructor(
    steps: readonly ChainStep[],
    /** First step of the passes after the first; absent when there is one pass. */
    loopStart: number | undefined,
    given: readonly SignatureField[] | undefined,
    private readonly path: ConfigPath,
    private readonly problems: Problems,
  ) {
    this.#derived = given === undefined;
    this.inputs = new Map(given?.map((field) => [field.name, field]));
    if (loopStart !== undefined) {
      for (const step of steps.slice(loopStart)) {
        for (const { name } of outputFields(step.signature.signature)) this.#loopOutputs.add(name);
      }
    }
    steps.forEach((step, index) => {
      for (const field of inputFields(step.signature.signature)) this.#feed(field, step, index);
      for (const field of outputFields(step.signature.signature)) {
        this.#outputs.set(field.name, field);
      }
    });
  }

  /** The last field of this name that a step gives. */
  output(name: string): SignatureField | undefined {
    return this.#outputs.get(name);
  }

  outputNames(): string[] {
    return [...this.#outputs.keys()];
  }

  #feed(field: SignatureField, { signature, sources }: ChainStep, index: number): void {
    const given = sources.get(field.name);
    const names = given ?? [field.name];
    const place = given ? [...this.path, index, 'inputs', field.name] : [...this.path, index];
    const feeding = names.flatMap((name) => this.#outputs.get(name) ?? this.inputs.get(name) ?? []);
    for (const source of feeding) {
      const derived = this.#derived && this.inputs.get(source.name) === source;
      if (derived && !field.isOptional) this.inputs.set(source.name, required(source));
      // Of several sources one may be absent; that is what the others are for.
      const compare = derived || names.length > 1 ? typeMismatch : mismatch;
      const reason = compare(source, field);
      if (reason) this.problems.add(place, `${signature.name} cannot take it: ${reason}`);
    }
    const unknown = names.filter(
      (name) => !this.#outputs.has(name) && !this.inputs.has(name) && !this.#loopOutputs.has(name),
    );
    if (given) this.#reportTypos(unknown, place);
    if (feeding.length > 0) return;
    const [name] = unknown;
    if (this.#derived && name !== undefined) {
      this.#derive(name, field);
    } else if (!field.isOptional) {
      this.problems.add(place, `nothing gives ${signature.name} its required input ${field.name}`);
    }
  }

  #derive(name: string, field: SignatureField): void {
    // Without the default: two steps may have different ones, and each applies its own.
    const { defaultValue: _, title: __, ...rest } = field;
    this.inputs.set(name, { ...rest, name, title: '' });
  }

  #reportTypos(unknown: readonly string[], place: ConfigPath): void {
    for (const name of unknown) {
      const known = [...this.outputNames(), ...this.#loopOutputs, ...this.inputs.keys()];
      const meant = nearest(name, known);
      if (meant !== undefined) {
        this.problems.add(place, `nothing is called ${name}. Did you mean ${meant}?`);
      } else if (!this.#derived) {
        this.problems.add(place, `nothing is called ${name}${suggest(name, known)}`);
      }
    }
  }
}

function required({ isOptional: _, ...field }: SignatureField): SignatureField {
  return field;
}
