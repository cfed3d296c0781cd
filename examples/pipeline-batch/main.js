// @ts-check
// A batch of 100 reviews, eight at a time. One of them cannot be classified: it is one failed result.
import { DspyPipelineExecutor, signatures } from '@hokusai/dspy-pipeline';
import { openModel } from '../lib/model.js';

const model = await openModel(({ user }) => {
  const label = user.includes('late') ? 'delivery' : 'quality';
  return `Classification: ["${label}"]\nConfidence: {"${label}": 0.9}\nReasoning: it speaks of ${label}`;
});
const executor = new DspyPipelineExecutor({
  ai: model.ai,
  experimentName: 'pipeline-batch',
  maxWorkers: 8,
});

const reviews = Array.from({ length: 100 }, (_, index) =>
  index % 2 === 0 ? `Order ${index} came late.` : `Order ${index} is well made.`,
);
// Somebody sent an empty form.
reviews[41] = '';

const results = await executor.executeBatch({
  program: signatures.ClassifyText,
  inputsList: reviews.map((text) => ({ text, categories: ['delivery', 'quality'] })),
});

results.forEach((result, index) => {
  if (!result.success) console.log(`Review ${index} failed: ${result.error.message}`);
});
const late = results.filter(({ outputs }) => outputs?.classification[0] === 'delivery');
const { totalExecutions, failures, successRate } = executor.getExecutionStats();
console.log(`${late.length} of ${results.length} reviews are about delivery`);
console.log(`${totalExecutions} executions, ${failures} failed, success rate ${successRate}`);

await executor.shutdown();
await model.close();
