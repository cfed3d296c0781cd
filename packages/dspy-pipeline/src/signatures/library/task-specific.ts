import { f } from '@ax-llm/ax';
import { defineSignature } from '../define.js';

const category = 'task_specific';

export const EmailDraft = defineSignature({
  name: 'EmailDraft',
  category,
  description: 'Write an email to a recipient that serves a purpose and makes the key points.',
  tags: ['email', 'writing', 'business'],
  aliases: ['Email', 'DraftEmail', 'WriteEmail'],
  fields: f()
    .input('recipient', f.string('who the email is for').min(1))
    .input('subject', f.string('what the email is about').min(1))
    .input('purpose', f.string('what the email should achieve').min(1))
    .input('keyPoints', f.string('a point').array('points the email must make'))
    .input('tone', f.string('tone of the email').optional())
    .input('senderName', f.string('who signs it').optional())
    .input('attachmentsMentioned', f.string('an attachment').array('attachments').optional())
    .output('emailBody', f.string('the body of the email'))
    .output('suggestedSubject', f.string('a better subject line').optional())
    .output('callToAction', f.string('what the recipient should do').optional()),
  defaults: { tone: 'professional', senderName: '', attachmentsMentioned: [] },
});

export const CodeGeneration = defineSignature({
  name: 'CodeGeneration',
  category,
  description: 'Write code in a language to a description and its requirements.',
  tags: ['code', 'programming'],
  aliases: ['GenerateCode', 'WriteCode'],
  fields: f()
    .input('description', f.string('what the code should do').min(1))
    .input('language', f.string('programming language').min(1))
    .input('framework', f.string('framework to use').optional())
    .input('requirements', f.string('a requirement').array('requirements').optional())
    .input('styleGuide', f.string('style guide to follow').optional())
    .input('includeTests', f.boolean('write tests too').optional())
    .output('code', f.code(undefined, 'the code'))
    .output('explanation', f.string('how it works'))
    .output('dependencies', f.string('a dependency').array('what it depends on').optional())
    .output('usageExample', f.string('how to use it').optional()),
  defaults: { framework: '', requirements: [], styleGuide: 'standard', includeTests: false },
});

export const DataAnalysis = defineSignature({
  name: 'DataAnalysis',
  category,
  description: 'Analyse described data towards goals, with insights and recommendations.',
  tags: ['data', 'analysis', 'business'],
  aliases: ['AnalyzeData', 'AnalyseData'],
  fields: f()
    .input('dataDescription', f.string('the data').min(1))
    .input('analysisGoals', f.string('a goal').array('what the analysis should find out'))
    .input('metrics', f.string('a metric').array('metrics to look at').optional())
    .input('constraints', f.json('limits of the analysis').optional())
    .input('audience', f.string('who will read it').optional())
    .output('analysis', f.string('the analysis'))
    .output('insights', f.string('an insight').array('what the data shows'))
    .output('recommendations', f.string('a recommendation').array('what to do'))
    .output('visualizations', f.string('a chart').array('charts worth making').optional())
    .output('furtherAnalysis', f.string('a step').array('what to analyse next').optional()),
  defaults: { metrics: [], constraints: {}, audience: 'business stakeholders' },
});

export const ReportGeneration = defineSignature({
  name: 'ReportGeneration',
  category,
  description: 'Write a report of a type from data, section by section.',
  tags: ['report', 'writing', 'business'],
  aliases: ['GenerateReport', 'Report'],
  fields: f()
    .input('data', f.json('what the report is made from'))
    .input('reportType', f.string('type of report').min(1))
    .input('sections', f.string('a section').array('sections the report must have'))
    .input('audience', f.string('who will read it').optional())
    .input('format', f.string('form of the report').optional())
    .input('lengthLimit', f.number('longest report, in words').min(1).optional())
    .output('report', f.string('the report'))
    .output('executiveSummary', f.string('the summary at its head'))
    .output('tableOfContents', f.string('an entry').array('table of contents').optional())
    .output('keyFindings', f.string('a finding').array('what matters most').optional()),
  defaults: { audience: 'general', format: 'mixed' },
});
