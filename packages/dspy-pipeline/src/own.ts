/** What an object holds under a name; what every object inherits (`constructor`, `__proto__`) is not held. */
export function own<T>(values: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(values, name) || !(name in Object.prototype) ? values[name] : undefined;
}
