/** What the order of a span hangs on. */
export interface Placed {
  id: string;
  parentId: string | undefined;
  startNanos: bigint;
  endNanos: bigint;
}

/**
 * Spans of a trace by their start; the SDK's clock has milliseconds, so parents go before children that
 * began in the same one, and siblings as they ended.
 */
export function inOrder<S>(spans: readonly S[], place: (span: S) => Placed): S[] {
  const placed = spans.map((span) => ({ span, ...place(span) }));
  const depths = depthsOf(placed);
  const depth = ({ id }: Placed) => depths.get(id) ?? 0;
  return placed
    .sort(
      (a, b) =>
        compare(a.startNanos, b.startNanos) ||
        depth(a) - depth(b) ||
        compare(a.endNanos, b.endNanos),
    )
    .map(({ span }) => span);
}

const compare = (a: bigint, b: bigint): number => (a === b ? 0 : a < b ? -1 : 1);

function depthsOf(spans: readonly Placed[]): Map<string, number> {
  const parents = new Map(spans.map(({ id, parentId }) => [id, parentId]));
  const depths = new Map<string, number>();
  for (const id of parents.keys()) {
    // Walks up to what is known already, then counts back down: no recursion, each span once. A set,
    // since ids that a program made up may form a ring.
    const path = new Set<string>();
    let at: string | undefined = id;
    while (at !== undefined && parents.has(at) && !depths.has(at) && !path.has(at)) {
      path.add(at);
      at = parents.get(at);
    }
    let depth = at === undefined ? -1 : (depths.get(at) ?? -1);
    for (const step of [...path].reverse()) depths.set(step, ++depth);
  }
  return depths;
}
