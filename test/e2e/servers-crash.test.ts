import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MlflowClient } from '../../packages/exporter-mlflow/src/client.js';
import { kill9, messageOf, startChild } from '../../packages/exporter-mlflow/test/support/child.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';

interface Acknowledged {
  id: string;
  code: number;
  spooled: number;
}

describe('kill -9', () => {
  let server: TestMlflowServer | undefined;
  let folder: string | undefined;
  afterAll(async () => {
    await server?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('of server and program in mid-delivery loses nothing that was acknowledged', async () => {
    folder = await mkdtemp(join(tmpdir(), 'crash-'));
    const spool = join(folder, 'spool');
    const home = join(folder, 'server');
    const experimentName = 'crash';
    server = await startMlflowServer({ folder: home });
    const { url, port } = server;
    const start = (mode: string) =>
      startChild('../../../test/e2e/servers-crash-child.ts', [url, spool, experimentName, mode]);

    const acknowledged: string[] = [];
    const app = start('export');
    app.on('message', ({ id, code }: Acknowledged) => {
      if (code === 0) acknowledged.push(id);
    });
    await messageOf(app, () => acknowledged.length > 50);
    await server.crash();
    const before = acknowledged.length;
    await messageOf<Acknowledged>(
      app,
      ({ spooled }) => spooled > 0 && acknowledged.length > before + 20,
    );
    await kill9(app);

    server = await startMlflowServer({ folder: home, port });
    const next = start('drain');
    const isDrained = () => readdirSync(spool).every((name) => !name.endsWith('.v1.log'));
    await messageOf(next, isDrained);
    await kill9(next);

    const client = new MlflowClient({ trackingUri: url, experimentName });
    const traces = await client.getTraces({ pageSize: 500 }).toArray();
    const whole = new Set(
      traces.filter(({ spans }) => spans.length === 2).map(({ traceId }) => traceId),
    );
    expect(acknowledged.length).toBeGreaterThan(70);
    expect(acknowledged.filter((id) => !whole.has(id))).toEqual([]);
    await client.close();
  });
});
