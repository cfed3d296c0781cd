import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askAx, askOnce } from '../../src/ask.js';
import { viewOf } from '../../src/view.js';
import { AX_MAJORS, loadAx } from '../support/ax.js';
import { mockService } from '../support/mock-service.js';
import { startTracing, type Tracing } from '../support/tracing.js';
import { unhandledIn } from '../support/unhandled.js';

const SIGNATURE = 'questionText:string -> answerText:string';

/** A service of the user's own that counts how often it is asked. */
function ownService(answer: () => unknown = () => 'mine') {
  const service = {
    asked: 0,
    getName() {
      service.asked++;
      return answer();
    },
    getModelList: () => [],
  };
  return service;
}

describe.each(AX_MAJORS)('what is asked of Ax %i', (major) => {
  // biome-ignore lint/suspicious/noExplicitAny: the types of Ax differ from major to major
  let ax: any;
  let tracing: Tracing;
  beforeAll(async () => {
    ax = await loadAx(major);
    tracing = startTracing([ax]);
  });
  afterAll(() => tracing.stop());

  const balancer = (...services: object[]) => new ax.AxBalancer(services, { debug: false });

  it('is answered by its own classes, and by those derived from them that leave the method alone', () => {
    class Derived extends ax.AxMockAIService {}
    const name = mockService(ax).getName();
    for (const service of [mockService(ax), new (Derived as typeof ax.AxMockAIService)()]) {
      expect(askAx(service, 'getName')).toBe(name);
      expect(askOnce(service, 'getName')).toBe(name);
    }
    expect(askAx(balancer(balancer(mockService(ax))), 'getName')).toBe(name);
    expect(askAx(mockService(ax), 'noMethod')).toBeUndefined();
    expect(askAx(undefined, 'getName')).toBeUndefined();
  });

  it('is asked anew each time where Ax answers', () => {
    const service = new ax.AxMockAIService({ name: 'one' });
    expect(askOnce(service, 'getName')).toBe('one');
    service.config.name = 'two';
    expect(askOnce(service, 'getName')).toBe('two');
  });

  it('is not asked of the users own methods, wherever they are', () => {
    class Derived extends ax.AxMockAIService {
      getName(): string {
        throw new Error('asked');
      }
    }
    const own = ownService();
    const bound = new Proxy(mockService(ax), {
      get: (target, key) => (key === 'getName' ? () => own.getName() : target[key]),
    });
    const services = [
      own,
      Object.assign(mockService(ax), { getName: () => own.getName() }),
      new (Derived as typeof ax.AxMockAIService)(),
      balancer(own),
      balancer(balancer(own)),
      viewOf(own, () => undefined),
      bound,
    ];
    for (const service of services) expect(askAx(service, 'getName')).toBeUndefined();
    expect(own.asked).toBe(0);
  });

  it('is asked once of the users own object, whoever stands before it', () => {
    const own = ownService();
    const ways = [own, balancer(own), viewOf(own, () => undefined), balancer(balancer(own))];
    for (const service of [...ways, ...ways]) expect(askOnce(service, 'getName')).toBe('mine');
    expect(own.asked).toBe(1);
  });

  it('is unknown where the users own method fails, which is not asked again', async () => {
    const thrower = ownService(() => {
      throw new Error('no');
    });
    const rejecting = ownService(() => Promise.reject(new Error('no')));
    const unhandled = await unhandledIn(() => {
      for (const service of [thrower, rejecting, thrower, rejecting]) {
        expect(askOnce(service, 'getName')).toBeUndefined();
      }
    });
    expect([unhandled, thrower.asked, rejecting.asked]).toEqual([[], 1, 1]);
  });

  it('is answered through a view of a service of Ax', () => {
    const view = viewOf(mockService(ax), () => undefined);
    expect(askAx(view, 'getName')).toBe(mockService(ax).getName());
  });

  it('is not asked of a prompt template of the users own', () => {
    let asked = 0;
    class Template extends ax.AxPromptTemplate {
      getInstruction() {
        asked++;
        return 'mine';
      }
    }
    const program = new ax.AxGen(SIGNATURE, { promptTemplate: Template });
    const before = asked;
    expect(askAx(program, 'getInstruction')).toBeUndefined();
    expect(asked).toBe(before);
  });
});
