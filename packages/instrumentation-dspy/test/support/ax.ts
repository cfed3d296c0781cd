/** Majors of Ax that are installed, each in its newest release. */
export const AX_MAJORS = [12, 14, 16, 19, 23, 24] as const;

export type AxMajor = (typeof AX_MAJORS)[number];

/** A major of Ax. Its types differ from major to major, so tests across majors read it untyped. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export function loadAx(major: AxMajor): Promise<any> {
  return import(/* @vite-ignore */ major === 24 ? '@ax-llm/ax' : `ax${major}`);
}
