import { z } from 'zod';

const text = z.string().trim().min(1);

// `${TEMPERATURE}` arrives as text.
const number = z.preprocess(
  (value) => (typeof value === 'string' && value.trim() !== '' ? Number(value) : value),
  z.number(),
);
const count = z.preprocess(
  (value) => (typeof value === 'string' && value.trim() !== '' ? Number(value) : value),
  z.int().min(1),
);

const sourceSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('local'),
    /** JavaScript module with the program's class, relative to the config file. */
    path: text.optional(),
    className: text.optional(),
  }),
  z.strictObject({
    type: z.literal('huggingface'),
    repoId: text,
    filename: text,
    revision: text.optional(),
    token: text.optional(),
  }),
  z.strictObject({
    type: z.literal('github'),
    /** `owner/name`. */
    repo: text,
    path: text,
    ref: text.optional(),
    token: text.optional(),
  }),
]);

export type SourceConfig = z.infer<typeof sourceSchema>;
export type RemoteSourceConfig = Exclude<SourceConfig, { type: 'local' }>;

const modelSchema = z.strictObject({
  modelName: text.optional(),
  temperature: number.pipe(z.number().min(0).max(2)).optional(),
  maxTokens: count.optional(),
  topP: number.pipe(z.number().min(0).max(1)).optional(),
  topK: count.optional(),
  presencePenalty: number.optional(),
  frequencyPenalty: number.optional(),
  stopSequences: z.array(z.string()).optional(),
});

export type ModelConfig = z.infer<typeof modelSchema>;

/** The file as a whole; what is inside signatures and chains is checked piece by piece. */
export const configSchema = z.strictObject({
  name: text,
  version: text,
  description: text.optional(),
  author: text.optional(),
  source: sourceSchema.optional(),
  signatures: z.record(z.string(), z.unknown()).optional(),
  chains: z.record(z.string(), z.unknown()).optional(),
  /** Which signature or chain the program is, where there are several. */
  program: text.optional(),
  modelConfig: modelSchema.optional(),
  metrics: z.array(text).optional(),
  dependencies: z.array(text).optional(),
});

export type ProgramConfig = z.infer<typeof configSchema>;

export const signatureSchema = z.strictObject({
  /** Name of a signature of the library, in place of inputs and outputs. */
  library: text.optional(),
  inputs: z.array(z.unknown()).min(1).optional(),
  outputs: z.array(z.unknown()).min(1).optional(),
  description: text.optional(),
  instruction: text.optional(),
  examples: z
    .array(
      z.strictObject({
        input: z.record(z.string(), z.unknown()),
        output: z.record(z.string(), z.unknown()),
      }),
    )
    .optional(),
});

export const fieldSchema = z.strictObject({
  name: text,
  type: text.optional(),
  description: text.optional(),
  optional: z.boolean().optional(),
  default: z.unknown().optional(),
  /** Classes of an output. */
  options: z.array(text).min(1).optional(),
  /** Least value of a number, least length of a text. */
  min: z.number().optional(),
  max: z.number().optional(),
});

export type FieldConfig = z.infer<typeof fieldSchema>;

export const chainSchema = z.strictObject({
  description: text.optional(),
  /** Each a name, or an object of {@link stepSchema}. */
  steps: z.array(z.unknown()).min(1),
  inputSignature: text.optional(),
  outputSignature: text.optional(),
  /** Most passes through the steps. */
  maxIterations: z.int().min(1).max(1000).optional(),
  /** Step at which every pass after the first begins. */
  iterateFrom: text.optional(),
  /** Name of an output that ends the passes when it is true, or an object of {@link untilSchema}. */
  until: z.unknown().optional(),
});

export type ChainConfig = z.infer<typeof chainSchema>;

export const stepSchema = z.strictObject({
  signature: text,
  /** Input name to the name, or the names by preference, of what feeds it. */
  inputs: z
    .record(
      z.string(),
      z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(text).min(1)),
    )
    .optional(),
});

export const untilSchema = z.strictObject({
  field: text,
  equals: z.unknown().optional(),
  atLeast: z.number().optional(),
});
