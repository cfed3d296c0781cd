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

  it('are recorded as every backend takes them, without credentials', () => {
    const options = {
      sessionId: `a\0b\uD800${'x'.repeat(1 << 20)}`,
      usageContext: { userId: 'https://me:secret@host/me' },
    };
    const { identity } = withOwnIdentity(inherited, options);
    const session = String(identity?.['session.id']);
    expect(session).toMatch(/^a\uFFFDb\uFFFDx+\.\.\.\[\+/);
    expect(session.length).toBeLessThanOrEqual(1024);
    expect(identity?.['gen_ai.conversation.id']).toBe(session);
    expect(identity?.['user.id']).toBe('https://host/me');
  });

  it.each(['ax-refine-serial-1795579829154-1', 'ax-refine-native-1795579829154-2', '', 7])(
    'are not what Ax or nobody named: %s',
    (sessionId) => {
      expect(withOwnIdentity(inherited, { sessionId })).toBe(inherited);
    },
  );
});
