import type { AxAIService, AxGenStreamingOut, AxProgramForwardOptions } from '@ax-llm/ax';
import type { Fields } from '../signatures/types.js';

/** What a loader gives: an Ax program (`AxGen`, `AxFlow`) or a class with a forward method. */
export interface LoadedProgram<IN extends Fields = Fields, OUT extends Fields = Fields> {
  forward(
    ai: Readonly<AxAIService>,
    values: IN,
    options?: Readonly<AxProgramForwardOptions<string>>,
  ): Promise<OUT>;
  streamingForward(
    ai: Readonly<AxAIService>,
    values: IN,
    options?: Readonly<AxProgramForwardOptions<string>>,
  ): AxGenStreamingOut<OUT>;
}
