import { f } from '@ax-llm/ax';
import { defineSignature } from '../define.js';

const category = 'text_generation';

export const DraftText = defineSignature({
  name: 'DraftText',
  category,
  description: 'Write a first draft on a topic for a stated purpose and audience.',
  tags: ['writing', 'draft', 'content'],
  aliases: ['Draft', 'WriteDraft'],
  fields: f()
    .input('topic', f.string('what the draft is about').min(1))
    .input('purpose', f.string('what the draft is for').min(1))
    .input('style', f.string('writing style').optional())
    .input('targetLength', f.number('length to aim for, in words').min(1).optional())
    .input('audience', f.string('who will read it').optional())
    .output('draft', f.string('the draft'))
    .output('outline', f.string('the outline the draft follows').optional()),
  defaults: { style: 'informative', audience: 'general' },
});

export const ReviseText = defineSignature({
  name: 'ReviseText',
  category,
  description: 'Revise a text as feedback asks, towards the stated goals.',
  tags: ['writing', 'editing', 'revision'],
  aliases: ['Revise'],
  fields: f()
    .input('originalText', f.string('the text to revise').min(1))
    .input('feedback', f.string('what should change').min(1))
    .input('revisionGoals', f.string('a goal of the revision').array('goals').optional())
    .input('preserveStyle', f.boolean('keep the style of the original').optional())
    .output('revisedText', f.string('the revised text'))
    .output('changesMade', f.string('a change').array('every change made'))
    .output('revisionNotes', f.string('notes for the author').optional()),
  defaults: { revisionGoals: [], preserveStyle: true },
});

export const ExpandText = defineSignature({
  name: 'ExpandText',
  category,
  description: 'Expand a text at the given points with details, examples or explanation.',
  tags: ['writing', 'expansion', 'content'],
  aliases: ['Expand', 'Elaborate'],
  fields: f()
    .input('text', f.string('the text to expand').min(1))
    .input('expansionPoints', f.string('a point').array('points to expand on'))
    .input('targetLength', f.number('length to aim for, in words').min(1).optional())
    .input('expansionType', f.string('kind of expansion: details, examples, all').optional())
    .output('expandedText', f.string('the expanded text'))
    .output('additionsSummary', f.string('an addition').array('what was added').optional()),
  defaults: { expansionType: 'all' },
});

export const RefineText = defineSignature({
  name: 'RefineText',
  category,
  description: 'Polish a text by the given criteria without changing what it says.',
  tags: ['writing', 'editing', 'polish'],
  aliases: ['Refine', 'Polish'],
  fields: f()
    .input('text', f.string('the text to refine').min(1))
    .input('refinementCriteria', f.string('a criterion').array('what to improve'))
    .input('maintainLength', f.boolean('keep the length of the original').optional())
    .input('formalityLevel', f.string('level of formality').optional())
    .output('refinedText', f.string('the refined text'))
    .output('refinementSummary', f.string('what was refined'))
    .output('readabilityScore', f.string('how readable the result is').optional()),
  defaults: { maintainLength: false, formalityLevel: 'neutral' },
});
