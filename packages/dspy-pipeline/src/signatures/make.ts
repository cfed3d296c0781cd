import { AxSignature, type AxSignatureConfig } from '@ax-llm/ax';
import type { AnySignature } from './types.js';

interface SignatureClass {
  from?(source: AnySignature | AxSignatureConfig): AnySignature;
  new (source: AnySignature | AxSignatureConfig): AnySignature;
}

/** A new signature, or a copy of one. Ax before 23 has no `from`, and since then no public constructor. */
export function makeSignature(source: AnySignature | AxSignatureConfig): AnySignature {
  const type = AxSignature as unknown as SignatureClass;
  return type.from ? type.from(source) : new type(source);
}
