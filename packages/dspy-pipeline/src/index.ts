export { LoadError } from './errors.js';
export { ExecutionError, type ExecutionErrorCode } from './executor/execution-error.js';
export { DspyPipelineExecutor } from './executor/executor.js';
export type {
  BatchRequest,
  DebugEvent,
  DebugTrace,
  ExecutionFailure,
  ExecutionMetadata,
  ExecutionMode,
  ExecutionResult,
  ExecutionSettings,
  ExecutionStats,
  ExecutionSuccess,
  ExecutorLogger,
  InputsOf,
  LogLevel,
  ModelRequest,
  ModelSource,
  OutputsOf,
  PipelineExecutorOptions,
  Program,
  ProgramLike,
  ProgramRequest,
} from './executor/types.js';
export { DspyModelLoader, type ModelLoaderOptions } from './loader/loader.js';
export { ConfigError, type ConfigProblem } from './loader/problems.js';
export type { HuggingFaceFile } from './loader/remote-sources.js';
export type { LoadedProgram } from './loader/types.js';
export { createProgram, type ProgramOptions } from './program/create-program.js';
export { identityOf, type ProgramIdentity } from './program/identity.js';
export { type InvalidInput, ProgramInputError } from './program/inputs.js';
export {
  type Compatibility,
  type CompatibilityOptions,
  checkCompatibility,
} from './signatures/compatibility.js';
export { defineSignature, type SignatureDefinition } from './signatures/define.js';
export { type LibraryName, signatures } from './signatures/library/index.js';
export {
  type CatalogueEntry,
  type CatalogueField,
  type SignatureQuery,
  type SignatureRegistration,
  SignatureRegistry,
  signatureRegistry,
  UnknownSignatureError,
} from './signatures/registry.js';
export {
  type AnySignature,
  type Defaults,
  type Fields,
  type JsonObject,
  type OutputCheck,
  SIGNATURE_CATEGORIES,
  type SignatureCategory,
  type SignatureEntry,
} from './signatures/types.js';
