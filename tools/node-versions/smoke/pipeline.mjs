import * as ax from '@ax-llm/ax';
import { DspyPipelineExecutor } from '@hokusai/dspy-pipeline';
import { model } from './model.cjs';

const executor = new DspyPipelineExecutor({ ai: model(ax) });
const program = ax.ax('question:string -> answer:string');
const { success, outputs } = await executor.execute({ program, inputs: { question: 'q' } });
console.log(success && outputs.answer);
await executor.shutdown();
