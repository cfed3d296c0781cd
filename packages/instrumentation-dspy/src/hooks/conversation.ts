import type { CallKind } from '../execution/kinds.js';
import type { Inherited, Operation } from '../execution/operation.js';
import { keepRemembered } from '../execution/remember.js';
import type { Settings } from '../settings.js';
import { chat } from './model.js';

/**
 * Requests whose replies may quote any request before, which none of them repeats: what a sanitizer removed
 * from one holds for the others. Below a program it holds because of that.
 */
export class Conversation {
  #before: { readonly settings: Settings; readonly inherited: Inherited } | undefined;
  #isComplete = true;

  /** A request was not looked at. */
  missed(): void {
    this.#isComplete = false;
  }

  /** The kind of the model calls of this conversation. */
  kind(): CallKind {
    return {
      ...chat,
      started: (operation, self, args, subject) => {
        const isBare = operation.parent === undefined;
        if (isBare) this.#recall(operation);
        chat.started?.(operation, self, args, subject);
        const { settings, inherited } = operation;
        if (isBare) this.#before = { settings, inherited };
      },
    };
  }

  #recall(operation: Operation): void {
    if (!this.#isComplete) operation.leaveInputsUnread();
    const before = this.#before;
    if (before === undefined) return;
    keepRemembered(operation, before.inherited, before.settings === operation.settings);
  }
}
