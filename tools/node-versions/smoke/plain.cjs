const ax = require('@ax-llm/ax');
const { model } = require('./model.cjs');

const program = ax.ax('question:string -> answer:string');
program.forward(model(ax), { question: 'q' }).then(({ answer }) => console.log(answer));
