import { f } from '@ax-llm/ax';
import { defineSignature } from '../define.js';

const category = 'analysis';

export const CritiqueText = defineSignature({
  name: 'CritiqueText',
  category,
  description: 'Critique a text by the given criteria, with strengths, weaknesses and suggestions.',
  tags: ['analysis', 'critique', 'feedback'],
  aliases: ['Critique', 'ReviewText'],
  fields: f()
    .input('text', f.string('the text to critique').min(1))
    .input('criteria', f.string('a criterion').array('what to judge by'))
    .input('perspective', f.string('whose point of view to take').optional())
    .input('severity', f.string('how severe to be').optional())
    .output('critique', f.string('the critique'))
    .output('strengths', f.string('a strength').array('what works'))
    .output('weaknesses', f.string('a weakness').array('what does not'))
    .output('suggestions', f.string('a suggestion').array('what to change'))
    .output('overallRating', f.string('the overall rating').optional()),
  defaults: { perspective: 'objective reviewer', severity: 'balanced' },
});

export const SummarizeText = defineSignature({
  name: 'SummarizeText',
  category,
  description: 'Summarize a text within a length, with its key points.',
  tags: ['analysis', 'summary'],
  aliases: ['Summarize', 'Summary'],
  fields: f()
    .input('text', f.string('the text to summarize').min(1))
    .input('maxLength', f.number('longest summary, in words').min(1).optional())
    .input('style', f.string('form of the summary').optional())
    .input('focusAreas', f.string('an area').array('what to focus on').optional())
    .input('preserveTone', f.boolean('keep the tone of the original').optional())
    .output('summary', f.string('the summary'))
    .output('keyPoints', f.string('a point').array('the key points'))
    .output('omittedDetails', f.string('a detail').array('what was left out').optional()),
  defaults: { maxLength: 100, style: 'paragraph', focusAreas: [], preserveTone: true },
});

export const ExtractInfo = defineSignature({
  name: 'ExtractInfo',
  category,
  description: 'Extract the asked kinds of information from a text.',
  tags: ['analysis', 'extraction', 'structured'],
  aliases: ['Extract', 'ExtractInformation'],
  fields: f()
    .input('text', f.string('the text to read').min(1))
    .input('infoTypes', f.string('a kind of information').array('what to extract'))
    .input('format', f.string('form of the result').optional())
    .input('contextWindow', f.boolean('keep the words around each find').optional())
    .output('extractedInfo', f.json('object: kind of information to what was found'))
    .output('confidenceScores', f.json('object: kind to confidence, 0 to 1').optional())
    .output('extractionCount', f.json('object: kind to number of finds').optional()),
  defaults: { format: 'structured', contextWindow: false },
});

export const ClassifyText = defineSignature({
  name: 'ClassifyText',
  category,
  description: 'Classify a text into the given categories and say why.',
  tags: ['analysis', 'classification'],
  aliases: ['Classify', 'Categorize'],
  fields: f()
    .input('text', f.string('the text to classify').min(1))
    .input('categories', f.string('a category').array('the categories to choose from'))
    .input('multiLabel', f.boolean('more than one category may apply').optional())
    .input('includeConfidence', f.boolean('give a confidence for each category').optional())
    .input('threshold', f.number('least confidence to assign a category').min(0).max(1).optional())
    .output(
      'classification',
      f.string('a category').array('the category, or the categories when several may apply'),
    )
    .output('confidence', f.json('object: category to confidence, 0 to 1'))
    .output('reasoning', f.string('why'))
    .output('alternativeCategories', f.string('a category').array('close seconds').optional()),
  defaults: { multiLabel: false, includeConfidence: true, threshold: 0.5 },
  // The classes are the caller's, so they are checked at run time instead of in the signature.
  checkOutputs: ({ categories, multiLabel }, { classification }) => {
    const unknown = classification.filter((label) => !categories.includes(label));
    if (unknown.length > 0) {
      return `Classification must be chosen from: ${categories.join(', ')}; got: ${unknown.join(', ')}`;
    }
    return multiLabel === true || classification.length === 1
      ? true
      : `Classification must be exactly one of: ${categories.join(', ')}`;
  },
});
