// The programs of a small support desk, one of each kind.
import { agent, ax, flow } from '@ax-llm/ax';

/** Sorts a message: typed outputs. */
export const triage = ax(
  'message:string -> category:class "billing, delivery, question", urgent:boolean, summary:string',
  { traceLabel: 'Triage' },
);

const orders = new Map([['A-1042', { status: 'shipped', carrier: 'DHL', total: 89.9 }]]);

/** Answers about an order: calls two tools. */
export const orderDesk = ax('question:string -> answer:string', {
  traceLabel: 'OrderDesk',
  functions: [
    {
      name: 'findOrder',
      description: 'Finds an order by its number',
      parameters: {
        type: 'object',
        properties: { number: { type: 'string', description: 'order number, such as A-1042' } },
        required: ['number'],
      },
      func: async (/** @type {{ number: string }} */ { number }) =>
        orders.get(number) ?? 'no such order',
    },
    {
      name: 'convert',
      description: 'Converts an amount of euros',
      parameters: {
        type: 'object',
        properties: {
          amount: { type: 'number', description: 'euros' },
          currency: { type: 'string', description: 'currency to convert to, such as USD' },
        },
        required: ['amount', 'currency'],
      },
      func: async (/** @type {{ amount: number }} */ { amount }) => amount * 1.08,
    },
  ],
});

/** Reads a review: two branches at the same time. */
export const reviewReader = flow()
  .node('mood', 'reviewText:string -> mood:class "happy, neutral, angry"')
  .node('topics', 'reviewText:string -> topics:string[]')
  .execute('mood', (state) => ({ reviewText: state.reviewText }))
  .execute('topics', (state) => ({ reviewText: state.reviewText }))
  .returns((state) => ({ mood: state.moodResult.mood, topics: state.topicsResult.topics }));

const handbook = {
  returns: 'Goods may be returned within 30 days.',
  warranty: 'Two years.',
};

/** Looks rules up in a handbook: writes code that calls tools. */
export const handbookAgent = agent('query:string -> answer:string', {
  agentIdentity: { name: 'Handbook Agent', description: 'Answers from the handbook of the shop' },
  contextFields: [],
  functions: [
    {
      name: 'lookup',
      namespace: 'handbook',
      description: 'Looks up one rule of the handbook',
      parameters: {
        type: 'object',
        properties: { topic: { type: 'string', description: 'topic, such as returns' } },
        required: ['topic'],
      },
      returns: { type: 'string' },
      func: async (/** @type {{ topic: 'returns' | 'warranty' }} */ { topic }) => handbook[topic],
    },
  ],
});

/** Writes a letter: streamed. */
export const letter = ax('customer:string, facts:string -> letter:string', {
  traceLabel: 'Letter',
});

/** Reads a bank account number and insists on its form: fails here. */
export const accountReader = ax('message:string -> iban:string', { traceLabel: 'AccountReader' });
accountReader.addAssert(
  ({ iban }) => /^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/.test(iban) || 'iban must be a complete IBAN',
);
