import type { Subject } from '../execution/kinds.js';
import type { Settings } from '../settings.js';

interface Known {
  readonly settings: Settings;
  readonly subject: Subject;
}

/** Subjects that depend on an instance and the settings alone, each built once. */
export class SubjectCache<T extends object> {
  readonly #known = new WeakMap<T, Known>();

  constructor(private readonly build: (instance: T, settings: Settings) => Subject) {}

  of(instance: T, settings: Settings): Subject {
    const known = this.#known.get(instance);
    if (known !== undefined && known.settings === settings) return known.subject;
    const subject = this.build(instance, settings);
    this.#known.set(instance, { settings, subject });
    return subject;
  }
}
