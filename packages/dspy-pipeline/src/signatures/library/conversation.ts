import { f } from '@ax-llm/ax';
import { defineSignature } from '../define.js';

const category = 'conversation';

export const RespondToUser = defineSignature({
  name: 'RespondToUser',
  category,
  description: 'Respond to a user message within a conversation, in character.',
  tags: ['conversation', 'chat', 'response'],
  aliases: ['Respond', 'Reply'],
  fields: f()
    .input('userMessage', f.string('what the user said').min(1))
    .input('conversationHistory', f.json('a message').array('earlier messages').optional())
    .input('persona', f.string('who is speaking').optional())
    .input('context', f.json('what else is known').optional())
    .input('tone', f.string('tone of the response').optional())
    .output('response', f.string('the response'))
    .output('intentDetected', f.string('what the user wants').optional())
    .output('followUpNeeded', f.boolean('a further exchange is needed').optional()),
  defaults: {
    conversationHistory: [],
    persona: 'helpful assistant',
    context: {},
    tone: 'friendly',
  },
});

export const ClarifyIntent = defineSignature({
  name: 'ClarifyIntent',
  category,
  description: 'Ask the question that tells the possible intents of a user message apart.',
  tags: ['conversation', 'clarification', 'intent'],
  aliases: ['Clarify'],
  fields: f()
    .input('userMessage', f.string('what the user said').min(1))
    .input('possibleIntents', f.string('an intent').array('what the user may mean'))
    .input('context', f.json('what else is known').optional())
    .input('maxOptions', f.number('most options to offer').min(1).optional())
    .output('clarificationQuestion', f.string('the question to ask'))
    .output('intentHypothesis', f.string('the likeliest intent'))
    .output('optionsProvided', f.string('an option').array('the options offered').optional()),
  defaults: { context: {}, maxOptions: 3 },
});

export const GenerateFollowUp = defineSignature({
  name: 'GenerateFollowUp',
  category,
  description: 'Propose follow-up questions that carry a conversation towards a goal.',
  tags: ['conversation', 'questions', 'follow_up'],
  aliases: ['FollowUp', 'FollowUpQuestions'],
  fields: f()
    .input('conversation', f.json('the conversation so far'))
    .input('topic', f.string('what to ask about').min(1))
    .input('goal', f.string('what the questions are for').optional())
    .input('numQuestions', f.number('how many questions').min(1).optional())
    .output('followUpQuestions', f.string('a question').array('the questions'))
    .output('rationale', f.string('why these questions'))
    .output('questionTypes', f.string('a type').array('the type of each question').optional()),
  defaults: { goal: 'deepen', numQuestions: 3 },
});

export const ResolveQuery = defineSignature({
  name: 'ResolveQuery',
  category,
  description: 'Answer a query from a knowledge base, with sources and confidence.',
  tags: ['conversation', 'question_answering', 'knowledge'],
  aliases: ['AnswerQuery', 'Resolve'],
  fields: f()
    .input('query', f.string('the question').min(1))
    .input('knowledgeBase', f.json('what may be used to answer').optional())
    .input('constraints', f.json('what the answer must respect').optional())
    .input('answerFormat', f.string('form of the answer').optional())
    .output('answer', f.string('the answer'))
    .output('sources', f.string('a source').array('where the answer comes from').optional())
    .output('confidence', f.number('confidence in the answer, 0 to 1').min(0).max(1))
    .output('caveats', f.string('a caveat').array('what to be careful about').optional()),
  defaults: { knowledgeBase: {}, constraints: {}, answerFormat: 'detailed' },
});
