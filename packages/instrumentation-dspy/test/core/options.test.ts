import { describe, expect, it } from 'vitest';
import type { Inherited } from '../../src/execution/operation.js';
import { withOwnIdentity } from '../../src/execution/options.js';

const inherited = { identity: { 'session.id': 'outer', 'user.id': 'u' } } as unknown as Inherited;

describe('session and user of a call', () => {
  it('go before those of the context', () => {
    const options = { sessionId: 's', usageContext: { userId: 'v' } };
    expect(withOwnIdentity(inherited, options).identity).toEqual({
      'session.id': 's',
      'gen_ai.conversation.id': 's',
      'user.id': 'v',
    });
  });

  it.each(['ax-refine-serial-1795579829154-1', 'ax-refine-native-1795579829154-2', '', 7])(
    'are not what Ax or nobody named: %s',
    (sessionId) => {
      expect(withOwnIdentity(inherited, { sessionId })).toBe(inherited);
    },
  );
});
