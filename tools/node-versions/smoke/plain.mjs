import * as ax from '@ax-llm/ax';
import { model } from './model.cjs';

const program = ax.ax('question:string -> answer:string');
console.log((await program.forward(model(ax), { question: 'q' })).answer);
