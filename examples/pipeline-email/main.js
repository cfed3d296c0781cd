// @ts-check
// An email in three steps: draft, critique, revise. Each step is an execution: a trace and a run in
// MLflow; a session holds the three together.
import { DspyPipelineExecutor, signatures } from '@hokusai/dspy-pipeline';
import { withTraceContext } from '@hokusai/mlflow-dspy';
import { openModel } from '../lib/model.js';

const model = await openModel(({ system }) => {
  if (system.includes('`Email Body`')) {
    return 'Email Body: Hi team, the launch moves to Friday. Please update your plans.\nSuggested Subject: Launch moves to Friday';
  }
  if (system.includes('`Critique`')) {
    return 'Critique: Clear, but it gives no reason.\nStrengths: ["short"]\nWeaknesses: ["no reason for the move"]\nSuggestions: ["say why the launch moves"]';
  }
  return 'Revised Text: Hi team, the launch moves to Friday, since the load test needs a day more. Please update your plans.\nChanges Made: ["gave the reason"]';
});
const executor = new DspyPipelineExecutor({ ai: model.ai, experimentName: 'pipeline-email' });

const email = await withTraceContext({ sessionId: 'launch-email' }, async () => {
  const draft = await executor.execute({
    program: signatures.EmailDraft,
    inputs: {
      recipient: 'the launch team',
      subject: 'New launch date',
      purpose: 'tell everybody about the new date',
      keyPoints: ['the launch moves to Friday', 'plans need an update'],
    },
  });
  if (!draft.success) throw draft.error;

  const critique = await executor.execute({
    program: signatures.CritiqueText,
    inputs: { text: draft.outputs.emailBody, criteria: ['clarity', 'completeness'] },
  });
  if (!critique.success) throw critique.error;

  const revised = await executor.execute({
    program: signatures.ReviseText,
    inputs: {
      originalText: draft.outputs.emailBody,
      feedback: critique.outputs.critique,
      revisionGoals: critique.outputs.suggestions,
    },
  });
  if (!revised.success) throw revised.error;
  return revised.outputs;
});

console.log(email.revisedText);
console.log(`Changes: ${email.changesMade.join(', ')}`);

await executor.shutdown();
await model.close();
