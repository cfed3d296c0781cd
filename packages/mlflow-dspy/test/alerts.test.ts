import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Alert, alertOn, logSink, type TraceData, webhookSink } from '@hokusai/mlflow-dspy';
import { diag } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forgetWarnings } from '../src/log.js';

const warnings: string[] = [];
beforeEach(() => {
  const nothing = () => {};
  diag.setLogger(
    {
      warn: (text) => warnings.push(text),
      error: nothing,
      info: nothing,
      debug: nothing,
      verbose: nothing,
    },
    { suppressOverrideMessage: true },
  );
});
afterEach(() => {
  warnings.splice(0);
  forgetWarnings();
});

const finished = (data: Partial<TraceData> = {}): TraceData => ({
  traceId: 'tr-1',
  name: 'EmailDraft',
  state: 'OK',
  startTime: new Date(0),
  durationMs: 10,
  inputs: 'canary-in',
  outputs: 'canary-out',
  tags: {},
  spans: [],
  ...data,
});

const failed = finished({ state: 'ERROR', error: { type: 'E', message: 'canary-error' } });

describe('alertOn', () => {
  it('tells of what is over its limit, and of nothing else', () => {
    const alerts: Alert[] = [];
    const processor = alertOn({ slowerThanMs: 1000, costOver: 0.5 }, (alert) => alerts.push(alert));
    processor(finished());
    processor(finished({ durationMs: 1000, cost: { totalCost: 0.5 } }));
    expect(alerts).toEqual([]);
    processor(finished({ durationMs: 1000.6 }));
    processor(finished({ cost: { totalCost: 0.75 } }));
    expect(alerts).toEqual([
      {
        kind: 'slow',
        message: 'EmailDraft took 1001 ms (limit 1000 ms)',
        value: 1000.6,
        threshold: 1000,
        traceId: 'tr-1',
        name: 'EmailDraft',
        time: expect.any(Date),
        suppressed: 0,
      },
      expect.objectContaining({
        kind: 'cost',
        message: 'EmailDraft cost $0.75 (limit $0.5)',
        value: 0.75,
      }),
    ]);
  });

  it('tells of the error rate over the last traces, once there are enough', () => {
    const alerts: Alert[] = [];
    const processor = alertOn(
      { errorRateOver: 0.5, errorRateWindow: 4, repeatAfterMs: 0 },
      (alert) => alerts.push(alert),
    );
    for (const data of [failed, failed, failed]) processor(data);
    expect(alerts).toEqual([]);
    processor(finished());
    expect(alerts.map(({ value }) => value)).toEqual([0.75]);
    for (let i = 0; i < 3; i++) processor(finished());
    processor(failed);
    expect(alerts).toHaveLength(1);
    expect(alerts[0]?.message).toBe(
      '75 % of the last 4 traces failed (limit 50 %); last: EmailDraft',
    );
  });

  it('repeats the same alert for a program only after a while, and says how many there were', async () => {
    const alerts: Alert[] = [];
    const processor = alertOn({ slowerThanMs: 1, repeatAfterMs: 30 }, (alert) =>
      alerts.push(alert),
    );
    for (let i = 0; i < 5; i++) processor(finished());
    processor(finished({ name: 'Other' }));
    expect(alerts.map(({ name }) => name)).toEqual(['EmailDraft', 'Other']);
    await expect
      .poll(() => {
        processor(finished());
        return alerts.length;
      })
      .toBe(3);
    expect(alerts[2]?.suppressed).toBeGreaterThanOrEqual(4);
  });

  it('holds no content', () => {
    const alerts: Alert[] = [];
    const processor = alertOn({ slowerThanMs: 0, errorRateOver: 0, errorRateWindow: 1 }, (alert) =>
      alerts.push(alert),
    );
    processor(failed);
    expect(alerts).toHaveLength(2);
    expect(JSON.stringify(alerts)).not.toContain('canary');
  });

  it('reports conditions that cannot be used, and keeps the others', () => {
    const alerts: Alert[] = [];
    const conditions = { slowerThan: 1, costOver: Number.NaN, slowerThanMs: 5 };
    alertOn(conditions, (alert) => alerts.push(alert))(finished());
    expect(alerts).toHaveLength(1);
    expect(warnings).toEqual([
      expect.stringContaining('unknown condition slowerThan;'),
      expect.stringContaining('costOver is not a number of at least 0'),
    ]);
  });
});

describe('alerts of one trace', () => {
  const both = { slowerThanMs: 1, costOver: 0.1, repeatAfterMs: 0 };
  const slowAndDear = finished({ state: 'ERROR', cost: { totalCost: 1 } });

  it('do not depend on one that a sink throws at, and neither does the error rate', async () => {
    const kinds: string[] = [];
    const processor = alertOn({ ...both, errorRateOver: 0.4, errorRateWindow: 2 }, ({ kind }) => {
      kinds.push(kind);
      if (kind === 'slow') throw new Error('full');
    });
    await expect(processor(slowAndDear)).rejects.toThrow('full');
    await expect(processor(slowAndDear)).rejects.toThrow('full');
    expect(kinds).toEqual(['slow', 'cost', 'slow', 'cost', 'error_rate']);
  });

  it('are all waited for, where one fails before the others are done', async () => {
    let done = false;
    const processor = alertOn(both, async ({ kind }) => {
      if (kind === 'slow') throw new Error('full');
      await sleep(20);
      done = true;
    });
    await expect(processor(slowAndDear)).rejects.toThrow('full');
    expect(done).toBe(true);
  });
});

it.each([
  [{ errorRateOver: 20 }, 'errorRateOver is not a share from 0 to 1'],
  [{ errorRateWindow: Number.POSITIVE_INFINITY }, 'errorRateWindow is not a whole number from 1'],
  [{ errorRateWindow: 0.5 }, 'errorRateWindow is not a whole number from 1'],
  [{ constructor: 1 }, 'unknown condition constructor'],
])(
  'alertOn reports %j, which could never be met or would never be full',
  (conditions, complaint) => {
    alertOn(conditions as never, () => {});
    expect(warnings).toEqual([expect.stringContaining(complaint)]);
  },
);

it('alertOn reports a sink that is no function when it is made', () => {
  alertOn({ slowerThanMs: 1 }, undefined as never)(finished());
  expect(warnings).toEqual([expect.stringContaining('the sink is not a function')]);
});

describe('logSink', () => {
  it('writes one line', () => {
    const lines: string[] = [];
    const sink = logSink({ warn: (line) => lines.push(line) });
    alertOn({ slowerThanMs: 1 }, sink)(finished());
    expect(lines).toEqual(['[mlflow-dspy] EmailDraft took 10 ms (limit 1 ms); trace tr-1']);
  });
});

describe('webhookSink', () => {
  let server: Server;
  let url: string;
  const requests: { headers: IncomingMessage['headers']; body: Record<string, unknown> }[] = [];
  let answers: number[];

  beforeEach(async () => {
    answers = [];
    requests.splice(0);
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () => {
        requests.push({ headers: request.headers, body: JSON.parse(text) });
        response.writeHead(answers.shift() ?? 204).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?secret=canary`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('posts JSON', async () => {
    const sink = webhookSink(url, { headers: { authorization: 'Bearer x' } });
    await alertOn({ slowerThanMs: 1 }, sink)(finished());
    expect(requests).toHaveLength(1);
    expect(requests[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      authorization: 'Bearer x',
    });
    expect(requests[0]?.body).toMatchObject({
      kind: 'slow',
      text: 'EmailDraft took 10 ms (limit 1 ms)',
      traceId: 'tr-1',
      value: 10,
    });
  });

  it('tries again where that can help', async () => {
    answers = [503, 429];
    await alertOn({ slowerThanMs: 1 }, webhookSink(url))(finished());
    expect(requests).toHaveLength(3);
  });

  it('gives up where it cannot, without giving the URL away', async () => {
    answers = [404];
    const sent = alertOn({ slowerThanMs: 1 }, webhookSink(url))(finished());
    await expect(sent).rejects.toThrow(
      /^the webhook at 127\.0\.0\.1:\d+ did not take an alert: it answered 404$/,
    );
    expect(requests).toHaveLength(1);
  });

  it.each([
    [{ attempts: Number.NaN }, 'attempts is not a whole number from 1 to 10; 3 is used'],
    [{ attempts: '2' }, 'attempts is not'],
    [{ attempts: 0 }, 'attempts is not'],
    [{ attempts: 1.5 }, 'attempts is not'],
    [{ attempts: 1000 }, 'attempts is not'],
    [
      { timeoutMs: Number.NaN },
      'timeoutMs is not a number above 0 and at most 86400000; 5000 is used',
    ],
    [{ timeoutMs: '100' }, 'timeoutMs is not'],
    [{ timeoutMs: 3e9 }, 'timeoutMs is not'],
    [{ timeoutMs: Number.POSITIVE_INFINITY }, 'timeoutMs is not'],
    [{ atempts: 1 }, 'unknown option atempts; it has no effect. Known: headers'],
    [{ headers: new Headers({ a: 'b' }) }, 'headers is not an object of texts'],
    [{ headers: new Map([['a', 'b']]) }, 'headers is not'],
    [{ headers: 'canary: 1' }, 'headers is not'],
    [{ headers: { 'x-a': 'canary\n' } }, 'the header "x-a" cannot be sent; it is left out'],
    [{ headers: { 'x-a': 5 } }, 'the header "x-a" cannot be sent'],
    [{ headers: { 'x a': 'canary' } }, 'the header "x a" cannot be sent'],
    [{ headers: { 'Content-Length': '1' } }, 'the header "Content-Length" cannot be sent'],
  ])('reports %j when it is made, and posts with the default', async (options, complaint) => {
    const sink = webhookSink(url, options as never);
    expect(warnings).toEqual([expect.stringContaining(`webhookSink: ${complaint}`)]);
    expect(warnings.join()).not.toContain('canary');
    answers = [503, 503];
    await alertOn({ slowerThanMs: 1 }, sink)(finished());
    expect(requests).toHaveLength(3);
    expect(warnings).toHaveLength(1);
  });

  it('takes any fraction of a millisecond', async () => {
    const sink = webhookSink(url, { timeoutMs: 5000.5 });
    await alertOn({ slowerThanMs: 1 }, sink)(finished());
    expect(requests).toHaveLength(1);
  });

  it.each([null, undefined, {}, { attempts: undefined }])('%j is no option', async (options) => {
    await alertOn({ slowerThanMs: 1 }, webhookSink(url, options as never))(finished());
    expect(requests).toHaveLength(1);
    expect(warnings).toEqual([]);
  });

  it('takes options that cannot be read for none', async () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const options of [proxy, { headers: proxy }]) {
      await alertOn({ slowerThanMs: 1 }, webhookSink(url, options as never))(finished());
    }
    expect(requests).toHaveLength(2);
    expect(warnings).toHaveLength(2);
  });

  it.each(['', 'hooks.example.com/x', 'file:///etc/passwd', undefined])(
    'refuses %j',
    async (wrong) => {
      await alertOn({ slowerThanMs: 1 }, webhookSink(wrong as string))(finished());
      expect(warnings).toEqual([expect.stringContaining('the URL is not an http(s) URL')]);
    },
  );
});
