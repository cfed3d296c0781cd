import * as analysis from './analysis.js';
import * as conversation from './conversation.js';
import * as taskSpecific from './task-specific.js';
import * as textGeneration from './text-generation.js';

/** The library's sixteen entries by name. */
export const library = { ...textGeneration, ...analysis, ...conversation, ...taskSpecific };

/** Name of a signature of the library. */
export type LibraryName = keyof typeof library;

type Signatures = { readonly [N in LibraryName]: (typeof library)[N]['signature'] };

/**
 * The library's signatures, typed: `signatures.EmailDraft`. Make a program of one with
 * `createProgram(signatures.EmailDraft)`, or give it to the executor as it is.
 */
export const signatures = Object.fromEntries(
  Object.entries(library).map(([name, entry]) => [name, entry.signature]),
) as Signatures;
