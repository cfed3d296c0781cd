/** The switch that keeps content off: that of its side, either of the two, or only both together. */
export type HiddenBy = 'declared' | 'inputs' | 'outputs' | 'either' | 'both';

/** Everywhere that a program can have content, by what hides it. */
export const PLACES = {
  // Text of the program itself: hidden with its inputs, and nothing that a sanitizer sees.
  declared: [
    'a stop sequence',
    'the description of a signature',
    'the description of a field',
    'an instruction',
    'the description of a parameter',
    'the description of a tool',
    'the description of an agent',
  ],
  inputs: [
    'an input',
    'a nested input',
    'the key of an input',
    'the input of an example',
    'the input of a demo',
    'the arguments of a tool',
    'the input of a node',
    'a text that is embedded',
    'a query',
    'an argument over MCP',
    'the name of a file over MCP',
    'an argument of a prompt over MCP',
    'the question of an agent',
    'the name of a file',
    'the address of a file',
    'a hint for what is heard',
    'the input of an evaluation',
    'the expectation of an evaluation',
    'a prompt of a session',
    'an input of a call of one’s own',
    'an input of a plain object',
    'an input of the executor',
  ],
  outputs: [
    'an answer',
    'a thought',
    'a citation',
    'a piece of a stream',
    'a stream that was left',
    'the result of a tool',
    'an answer that is corrected',
    'a document',
    'the metadata of a document',
    'a result over MCP',
    'an error over MCP',
    'the content of a file over MCP',
    'the text of a prompt over MCP',
    'the description of a tool over MCP',
    'the answer of an agent',
    'text that was heard',
    'the answer in an evaluation',
    'an output of a call of one’s own',
    'a delta of a plain object',
    'an output of the executor',
  ],
  // Errors and runs quote both sides.
  either: [
    'the output of an example',
    'the output of a demo',
    'the error of a tool',
    'the cause of an error',
    'the cause of a cause',
    'a member of an AggregateError',
    'a message with lines like frames',
    'a thrown text',
    'a thrown object',
    'an error of the program',
    'the refusal of a model',
    'the type of a refusal that is a sentence',
    'a failed assertion',
    'the error behind a balancer',
    'the error behind a router',
    'the error of a metric',
    'the input of a training example',
    'the answer in training',
    'the error of a reward',
    'the result of a tool in a session',
    'the error of a call of one’s own',
    'a failed attempt of a call of one’s own',
    'the error of the executor',
  ],
  // Handed on: what was an output is an input of the next step.
  both: [
    'the state of a flow',
    'code that an agent runs',
    'what code prints',
    'text that is spoken',
  ],
} as const satisfies Record<HiddenBy, readonly string[]>;

/** Never recorded, with content on either: there is nothing for a control to find. */
const NEVER_RECORDED = [
  'the bytes of an image',
  'the bytes of a voice',
  'a property of an error',
  'a stack with text',
  'the name of an error that is a sentence',
  'a header of a request',
  'the name of an MCP server',
  'the instructions of an MCP server',
  'the description of a model',
  'the description of a model in a list',
] as const;

export const ALL_PLACES: readonly string[] = Object.values(PLACES).flat();

export type Place = (typeof PLACES)[HiddenBy][number] | (typeof NEVER_RECORDED)[number];

const NAMES: readonly string[] = [...ALL_PLACES, ...NEVER_RECORDED];

/**
 * The word of a place: one that no serializer escapes, of one length, and part of no other. Whatever
 * encodes text byte by byte leaves it recognisable.
 */
export function canary(place: Place): string {
  return `zq7x${String(NAMES.indexOf(place)).padStart(3, '0')}k9wv`;
}

/** The place that a found word stands for. */
export function placeOf(word: string): string {
  return NAMES[Number(word.slice(4, 7))] ?? 'no place';
}

export const CANARY = /zq7x\d{3}k9wv/g;
