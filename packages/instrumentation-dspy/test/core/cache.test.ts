import { expect, it } from 'vitest';
import { describeMajors } from '../support/majors.js';

describeMajors(
  'a cache of results',
  [14, 16, 19, 23, 24],
  (bench) => {
    it('is seen where it spared the model call', async () => {
      const {
        service,
        tracing: { spans },
      } = bench();
      const cache = new Map<string, unknown>();
      const program = new (bench().ax.AxGen)('questionText:string -> answerText:string', {
        cachingFunction: (key: string, value?: unknown) =>
          value === undefined ? cache.get(key) : void cache.set(key, value),
      });
      const results = [];
      for (let call = 0; call < 2; call++) {
        results.push(await program.forward(service(), { questionText: 'two and two?' }));
      }
      expect(results).toEqual([{ answerText: 'four' }, { answerText: 'four' }]);
      expect(
        spans().map(({ name, attributes }) => [name.split(' ')[0], attributes['dspy.cache.hit']]),
      ).toEqual([
        ['invoke_workflow', false],
        ['chat', undefined],
        ['invoke_workflow', true],
      ]);
      const hit = spans().at(-1);
      expect(hit?.attributes).toMatchObject({ 'output.value': '{"answerText":"four"}' });
      expect(Object.keys(hit?.attributes ?? {}).join()).not.toMatch(/usage|attempts/);
    });
  },
  () => 'Answer Text: four',
);
