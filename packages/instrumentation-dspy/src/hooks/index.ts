/**
 * What is hooked in Ax. One file a surface; each exports a table of {@link Hook} entries, listed
 * below, and nothing else needs to know the file.
 *
 * To add a surface, describe its calls as a `CallKind` (execution/kinds.ts) and name the methods:
 *
 *     const router: CallKind = {
 *       role: 'step',                                    // program | model | step
 *       optionsIndex: 1,                                 // where Ax's options object is, if anywhere
 *       subject: (copy, self, args, settings) => ({ name, type, spanName, attributes }),
 *       input: (self, args) => args[0],                  // `input.value`, after switches, sanitizer, budget
 *       started: (operation, self, args) => {},          // both only when the span records
 *       finished: (operation, result, self, args) => { operation.recordOutput(result); },
 *     };
 *     export const routerHooks: readonly Hook[] = [
 *       { target: 'AxBalancer', method: 'chat', wrap: tracedCall(router) },
 *     ];
 *
 * - `tracedCall(kind)` (execution/call.ts): a method that returns a value, a promise or a thenable.
 * - `tracedIterable(kind)` (execution/iterable.ts): a method that returns an async iterator.
 * - `traceFunction(copy, kind, fn, self, args, false)`: a function that Ax calls and waits for (a tool).
 * - `tapStream` (execution/readable.ts): a result that is a ReadableStream.
 * - A surface that fits none of them writes its own `Wrapper` around `begin()` (execution/gate.ts) and
 *   `runOperation()`.
 *
 * What holds for every hook:
 *
 * - The gate, the parent, the span, its one ending and the guards live in execution/. A hook says
 *   what a call is about. A `CallKind` function that throws is counted and changes nothing for the program.
 * - Nothing is copied or serialised outside `started`, `finished` and `failed`, which run only for
 *   operations that exist; `operation.recording` says whether the span records. `subject` runs for
 *   every traced call and must be cheap (attributes/subject.ts; cache what is costly by instance).
 * - Identity (what samplers see) goes into the subject's `attributes`, what every call of it has
 *   besides into its `fixed` (set at the end, shared, never changed); all else through
 *   `operation.set(name, value)`, or `operation.attributes` while a value may still change.
 * - Values of the program go through `operation.recordInput/recordOutput/json/text` (which return what
 *   was recorded, for its name in the other family), the last two only behind `operation.recordsInputs/recordsOutputs/recordsText` and the settings. Nothing else may put
 *   content on a span.
 * - Usage goes to `operation.addModelCall(usage, cost)` on the leaf; totals find their way up.
 */
import { agentHooks } from './agent.js';
import { bestOfHooks } from './best-of.js';
import { chatHooks } from './chat.js';
import { codeRuntimeHooks } from './code-runtime.js';
import { embeddingHooks } from './embedding.js';
import { evaluationHooks } from './evaluation.js';
import { flowHooks } from './flow.js';
import { generatorHooks } from './generator.js';
import { generatorStepHooks } from './generator-steps.js';
import { libraryHooks } from './library.js';
import { mcpHooks } from './mcp.js';
import { optimizerHooks } from './optimizer.js';
import { retrievalHooks } from './retrieval.js';
import { routerHooks } from './router.js';
import { sessionHooks } from './session.js';
import { speechHooks } from './speech.js';
import { streamUsageHooks } from './stream-usage.js';
import type { Hook } from './types.js';

export const hooks: readonly Hook[] = [
  ...generatorHooks,
  ...generatorStepHooks,
  ...flowHooks,
  ...agentHooks,
  ...codeRuntimeHooks,
  ...chatHooks,
  ...streamUsageHooks,
  ...embeddingHooks,
  ...routerHooks,
  ...bestOfHooks,
  ...retrievalHooks,
  ...speechHooks,
  ...sessionHooks,
  ...mcpHooks,
  ...libraryHooks,
  ...optimizerHooks,
  ...evaluationHooks,
];
