// @ts-check
// A content pipeline that a YAML file describes: its chain judges and revises until the text is good.
import { fileURLToPath } from 'node:url';
import { DspyModelLoader, DspyPipelineExecutor } from '@hokusai/dspy-pipeline';
import { openModel } from '../lib/model.js';

let passes = 0;
const model = await openModel(({ system }) => {
  if (system.includes('`Draft`')) return 'Draft: Tea is, as we all know, a drink.';
  if (system.includes('`Verdict`')) {
    passes++;
    return `Verdict: ${passes > 1}\nScore: ${passes === 1 ? 4 : 9}\nFeedback: ${passes === 1 ? 'Cut the filler.' : 'Fine now.'}`;
  }
  return 'Revised Text: Tea is a drink.\nChanges Made: ["cut the filler"]';
});

const loader = new DspyModelLoader({ root: fileURLToPath(new URL('.', import.meta.url)) });
const executor = new DspyPipelineExecutor({
  ai: model.ai,
  experimentName: 'pipeline-content',
  // Loaded when it is first asked for.
  models: { content: () => loader.loadFromConfig('pipeline.yaml') },
});

const result = await executor.execute({
  modelId: 'content',
  inputs: { topic: 'tea', purpose: 'an encyclopedia for children', audience: 'children' },
});
if (!result.success) throw result.error;

console.log(result.outputs.revisedText);
console.log(`${result.programName} ${result.metadata.programVersion}, judged ${passes} times`);

await executor.shutdown();
await model.close();
