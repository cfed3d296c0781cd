import { f, s } from '@ax-llm/ax';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  checkCompatibility,
  defineSignature,
  SignatureRegistry,
  signatureRegistry,
  signatures,
  UnknownSignatureError,
} from '../src/index.js';

describe('the registry', () => {
  it('finds by name and alias, whatever the case', () => {
    const entry = signatureRegistry.get('EmailDraft');
    for (const name of ['emaildraft', 'email_draft', 'Draft-Email', 'write email']) {
      expect(signatureRegistry.has(name)).toBe(true);
      expect(signatureRegistry.get(name)).toBe(signatureRegistry.get('EmailDraft'));
    }
    expectTypeOf(entry.signature).toEqualTypeOf(signatures.EmailDraft);
    expect(signatureRegistry.has('EmailDraf')).toBe(false);
    expect(() => signatureRegistry.get('EmailDraf')).toThrow(UnknownSignatureError);
    expect(() => signatureRegistry.get('EmailDraf')).toThrow('Did you mean EmailDraft?');
    expect(() => new SignatureRegistry().get('x')).toThrow('No signature is named "x"');
  });

  it('searches by category and by every tag', () => {
    const names = (query: Parameters<typeof signatureRegistry.search>[0]) =>
      signatureRegistry.search(query).map(({ name }) => name);
    expect(names({ category: 'analysis' })).toEqual([
      'CritiqueText',
      'SummarizeText',
      'ExtractInfo',
      'ClassifyText',
    ]);
    expect(names({ tags: ['business', 'writing'] })).toEqual(['EmailDraft', 'ReportGeneration']);
    expect(names({ category: 'none' })).toEqual([]);
    expect(names({})).toEqual(signatureRegistry.names());
  });

  it('takes signatures of one’s own, and no name twice', () => {
    const registry = new SignatureRegistry();
    const signature = s('userQuestion:string -> answer:string');
    const entry = registry.register({ name: 'Ask', signature, aliases: ['Question'], tags: ['q'] });
    expect(entry).toMatchObject({ category: 'custom', description: '', tags: ['q'] });
    expect(registry.get('question')).toBe(entry);
    expect(() => registry.register({ name: 'as-k', signature })).toThrow(
      'the name "as-k" is taken by Ask',
    );
    expect(() => registry.register({ name: 'New', aliases: ['ask'], signature })).toThrow(
      '"ask" is taken by Ask',
    );
    expect(() => registry.register({ name: 'New', aliases: ['NEW'], signature })).toThrow(
      'empty or given twice',
    );
    expect(() => registry.register({ name: ' ', signature })).toThrow('empty or given twice');
    expect(registry.names()).toEqual(['Ask']);
  });

  it('exports a catalogue that is JSON and says everything', () => {
    const catalogue = signatureRegistry.catalogue();
    expect(JSON.parse(JSON.stringify(catalogue))).toEqual(catalogue);
    expect(catalogue).toHaveLength(16);
    const classify = catalogue.find(({ name }) => name === 'ClassifyText');
    expect(classify).toMatchObject({
      category: 'analysis',
      aliases: ['Classify', 'Categorize'],
      inputs: expect.arrayContaining([
        { name: 'categories', type: 'string[]', required: true, description: expect.any(String) },
        {
          name: 'threshold',
          type: 'number',
          required: false,
          default: 0.5,
          min: 0,
          max: 1,
          description: expect.any(String),
        },
      ]),
      outputs: expect.arrayContaining([
        { name: 'confidence', type: 'json', required: true, description: expect.any(String) },
      ]),
    });
    const own = defineSignature({
      name: 'Own',
      category: 'x',
      description: 'd',
      fields: f()
        .input('topic', f.string())
        .output('mood', f.class(['good', 'bad'])),
    });
    const registry = new SignatureRegistry();
    registry.register(own);
    expect(registry.catalogue()[0]?.outputs).toEqual([
      { name: 'mood', type: 'class', required: true, options: ['good', 'bad'] },
    ]);
  });

  it('holds the table of the platform', () => {
    const table = signatureRegistry.catalogue().map(({ name, inputs, outputs }) => {
      const fields = (list: typeof inputs) =>
        list
          .map(
            (field) =>
              `${field.name}${field.required ? '' : '?'}:${field.type}${field.default === undefined ? '' : `=${JSON.stringify(field.default)}`}`,
          )
          .join(', ');
      return `${name}: ${fields(inputs)} -> ${fields(outputs)}`;
    });
    expect(table).toMatchInlineSnapshot(`
      [
        "DraftText: topic:string, purpose:string, style?:string="informative", targetLength?:number, audience?:string="general" -> draft:string, outline?:string",
        "ReviseText: originalText:string, feedback:string, revisionGoals?:string[]=[], preserveStyle?:boolean=true -> revisedText:string, changesMade:string[], revisionNotes?:string",
        "ExpandText: text:string, expansionPoints:string[], targetLength?:number, expansionType?:string="all" -> expandedText:string, additionsSummary?:string[]",
        "RefineText: text:string, refinementCriteria:string[], maintainLength?:boolean=false, formalityLevel?:string="neutral" -> refinedText:string, refinementSummary:string, readabilityScore?:string",
        "CritiqueText: text:string, criteria:string[], perspective?:string="objective reviewer", severity?:string="balanced" -> critique:string, strengths:string[], weaknesses:string[], suggestions:string[], overallRating?:string",
        "SummarizeText: text:string, maxLength?:number=100, style?:string="paragraph", focusAreas?:string[]=[], preserveTone?:boolean=true -> summary:string, keyPoints:string[], omittedDetails?:string[]",
        "ExtractInfo: text:string, infoTypes:string[], format?:string="structured", contextWindow?:boolean=false -> extractedInfo:json, confidenceScores?:json, extractionCount?:json",
        "ClassifyText: text:string, categories:string[], multiLabel?:boolean=false, includeConfidence?:boolean=true, threshold?:number=0.5 -> classification:string[], confidence:json, reasoning:string, alternativeCategories?:string[]",
        "RespondToUser: userMessage:string, conversationHistory?:json[]=[], persona?:string="helpful assistant", context?:json={}, tone?:string="friendly" -> response:string, intentDetected?:string, followUpNeeded?:boolean",
        "ClarifyIntent: userMessage:string, possibleIntents:string[], context?:json={}, maxOptions?:number=3 -> clarificationQuestion:string, intentHypothesis:string, optionsProvided?:string[]",
        "GenerateFollowUp: conversation:json, topic:string, goal?:string="deepen", numQuestions?:number=3 -> followUpQuestions:string[], rationale:string, questionTypes?:string[]",
        "ResolveQuery: query:string, knowledgeBase?:json={}, constraints?:json={}, answerFormat?:string="detailed" -> answer:string, sources?:string[], confidence:number, caveats?:string[]",
        "EmailDraft: recipient:string, subject:string, purpose:string, keyPoints:string[], tone?:string="professional", senderName?:string="", attachmentsMentioned?:string[]=[] -> emailBody:string, suggestedSubject?:string, callToAction?:string",
        "CodeGeneration: description:string, language:string, framework?:string="", requirements?:string[]=[], styleGuide?:string="standard", includeTests?:boolean=false -> code:code, explanation:string, dependencies?:string[], usageExample?:string",
        "DataAnalysis: dataDescription:string, analysisGoals:string[], metrics?:string[]=[], constraints?:json={}, audience?:string="business stakeholders" -> analysis:string, insights:string[], recommendations:string[], visualizations?:string[], furtherAnalysis?:string[]",
        "ReportGeneration: data:json, reportType:string, sections:string[], audience?:string="general", format?:string="mixed", lengthLimit?:number -> report:string, executiveSummary:string, tableOfContents?:string[], keyFindings?:string[]",
      ]
    `);
  });
});

describe('compatibility', () => {
  it('says what feeds what, and what is missing', () => {
    expect(signatureRegistry.compatibility('DraftText', 'CritiqueText')).toEqual({
      compatible: false,
      mapping: {},
      missing: ['text', 'criteria'],
      mismatched: [],
    });
    expect(
      signatureRegistry.compatibility('DraftText', 'critique', {
        mapping: { text: 'draft' },
        provided: ['criteria'],
      }),
    ).toEqual({ compatible: true, mapping: { text: 'draft' }, missing: [], mismatched: [] });
    expect(() => signatureRegistry.compatibility('DraftText', 'Nothing')).toThrow(
      UnknownSignatureError,
    );
  });

  it.each([
    ['keyPoints:string', 'keyPoints:string[]', 'keyPoints is string, keyPoints is string[]'],
    ['score:number', 'score:string', 'score is number, score is string'],
    ['note?:string', 'note:string', 'note may be absent and note is required'],
    ['label:class "a, b"', 'label:string', undefined],
    ['label:code', 'label:string', undefined],
    ['label:number', 'label:json', undefined],
    ['label:string[]', 'label:string[]', undefined],
    ['note?:string', 'note?:string', undefined],
  ])('%s to %s: %s', (output, input, reason) => {
    const result = checkCompatibility(
      s(`topic:string -> ${output}`),
      s(`${input} -> done:boolean`),
    );
    expect(result.mismatched.map((one) => one.reason)).toEqual(
      reason === undefined ? [] : [reason],
    );
    expect(result.compatible).toBe(reason === undefined);
  });
});
