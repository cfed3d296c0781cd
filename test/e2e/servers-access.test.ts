import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowClient } from '../../packages/exporter-mlflow/src/client.js';
import { encodeTraceRequest } from '../../packages/exporter-mlflow/src/otlp/encode.js';
import type { Connection } from '../../packages/exporter-mlflow/src/server/connection.js';
import { fetchServerVersion } from '../../packages/exporter-mlflow/src/server/version.js';
import { connectTo } from '../../packages/exporter-mlflow/test/support/connect.js';
import { close, listen, startProxy } from '../../packages/exporter-mlflow/test/support/proxy.js';
import { hex, spanRecord } from '../../packages/exporter-mlflow/test/support/records.js';
import {
  makeCertificates,
  type TestCertificates,
} from '../../packages/exporter-mlflow/test/support/tls.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';

// The ways to a real server: passwords, TLS, proxies, sub-paths, workspaces, sockets it has closed.

const home = process.env.HOME;
let emptyHome: string;
beforeAll(() => {
  emptyHome = mkdtempSync(join(tmpdir(), 'home-'));
  process.env.HOME = emptyHome;
});
afterAll(() => {
  process.env.HOME = home;
  rmSync(emptyHome, { recursive: true });
});

/** Status of a delivery of one span to an experiment. */
async function sendSpan(connection: Connection, experimentId: string): Promise<number> {
  const { status } = await connection.send({
    method: 'POST',
    path: '/v1/traces',
    headers: { 'x-mlflow-experiment-id': experimentId, 'content-type': 'application/x-protobuf' },
    body: await encodeTraceRequest([spanRecord(hex(16))]),
  });
  return status;
}

describe('a server with passwords', () => {
  const password = `a:${hex(8)}`;
  let server: TestMlflowServer;
  let admin: Connection;
  beforeAll(async () => {
    server = await startMlflowServer({
      appName: 'basic-auth',
      env: { MLFLOW_AUTH_ADMIN_PASSWORD: password, MLFLOW_FLASK_SERVER_SECRET_KEY: hex(16) },
    });
    admin = connectTo({ trackingUri: server.url, username: 'admin', password });
  });
  afterAll(async () => {
    await admin?.close();
    await server?.stop();
  });

  it('lets the right one in, on every endpoint', async () => {
    const client = new MlflowClient({ trackingUri: server.url, username: 'admin', password });
    const id = await client.getOrCreateExperiment('secured');
    expect(await sendSpan(admin, id)).toBe(200);
    expect(await client.getTraces({ experimentName: 'secured' }).toArray()).toHaveLength(1);
    await client.close();
  });

  it('tells those without, with a wrong one or with a token why, and not what they sent', async () => {
    for (const credentials of [
      {},
      { username: 'admin', password: 'wrong-secret' },
      { token: 'wrong-secret' },
    ]) {
      const client = new MlflowClient({ trackingUri: server.url, ...credentials });
      const failure = await client.getExperiment({ name: 'x' }).catch((error: Error) => error);
      expect(failure).toMatchObject({
        name: 'MlflowApiError',
        status: 401,
        endpoint: 'GET /api/2.0/mlflow/experiments/get-by-name',
        reason: expect.stringMatching(/not authenticated/i),
      });
      expect(JSON.stringify(failure) + String(failure)).not.toContain('wrong-secret');
      await client.close();
    }
    const anonymous = connectTo({ trackingUri: server.url });
    // Its version is behind the password too.
    expect(await fetchServerVersion(anonymous)).toBeUndefined();
    expect((await fetchServerVersion(admin))?.major).toBe(3);
    await anonymous.close();
  });

  it('takes a password outside ASCII everywhere but for spans', async () => {
    await admin.send({
      method: 'POST',
      path: '/api/2.0/mlflow/users/create',
      body: { username: 'umlaut', password: 'langes-pässwort-ü' },
    });
    const connection = connectTo({
      trackingUri: server.url,
      username: 'umlaut',
      password: 'langes-pässwort-ü',
    });
    const request = { method: 'GET', path: '/api/2.0/mlflow/experiments/get' } as const;
    const { status } = await connection.send({ ...request, query: { experiment_id: '0' } });
    expect(status).toBe(200);
    // The server's own limit, which the settings warn of.
    expect(await sendSpan(connection, '0')).toBe(401);
    await connection.close();
  });

  it('tells a reader that writing is not allowed', async () => {
    const { status } = await admin.send({
      method: 'POST',
      path: '/api/2.0/mlflow/users/create',
      body: { username: 'reader', password: 'reader-password' },
    });
    expect(status).toBe(200);
    const connection = connectTo({
      trackingUri: server.url.replace('//', '//reader:reader-password@'),
    });
    expect(await sendSpan(connection, '0')).toBe(403);
    await connection.close();
  });

  it('is entered with ~/.mlflow/credentials, and with a password that changed while running', async () => {
    const write = (secret: string) => {
      mkdirSync(join(emptyHome, '.mlflow'), { recursive: true });
      writeFileSync(
        join(emptyHome, '.mlflow', 'credentials'),
        `[mlflow]\nmlflow_tracking_username = changing\nmlflow_tracking_password = ${secret}\n`,
      );
    };
    const change = (path: string, body: object, method: 'POST' | 'PATCH' = 'POST') =>
      admin.send({ method, path: `/api/2.0/mlflow/users/${path}`, body });
    await change('create', { username: 'changing', password: 'first-password' });
    write('first-password');
    const client = new MlflowClient({ trackingUri: server.url });
    const look = () => client.getExperiment({ name: 'Default' });
    expect(await look()).toMatchObject({ id: '0' });
    const changed = await change(
      'update-password',
      { username: 'changing', password: 'second-password' },
      'PATCH',
    );
    expect(changed.status).toBe(200);
    await expect(look()).rejects.toMatchObject({ status: 401 });
    write('second-password');
    expect(await look()).toMatchObject({ id: '0' });
    await client.close();
  });
});

describe('a server behind others', () => {
  let server: TestMlflowServer;
  let certificates: TestCertificates;
  beforeAll(async () => {
    server = await startMlflowServer();
    certificates = makeCertificates();
  });
  afterAll(async () => {
    certificates?.remove();
    await server?.stop();
  });

  it('is reached over TLS with a private authority, a client certificate and below a path', async () => {
    const seen: string[] = [];
    const { cert, key } = certificates.server;
    const front = createTlsServer(
      { cert, key, ca: certificates.ca, requestCert: true, rejectUnauthorized: true },
      (req, res) => {
        seen.push(req.url as string);
        const path = (req.url as string).replace(/^\/team\/mlflow/, '');
        // As a front end does: the server refuses a host it does not know.
        const headers = { ...req.headers, host: new URL(server.url).host };
        const onward = httpRequest(
          `${server.url}${path}`,
          { method: req.method, headers },
          (answer) => {
            res.writeHead(answer.statusCode as number, answer.headers);
            answer.pipe(res);
          },
        );
        req.pipe(onward);
      },
    );
    const trackingUri = `${await listen(front, 'https')}/team/mlflow/`;
    const access = {
      trackingUri,
      serverCertPath: certificates.caPath,
      clientCertPath: certificates.clientPath,
    };
    const client = new MlflowClient({ ...access, experimentName: 'tls' });
    const id = await client.getOrCreateExperiment('tls');
    const connection = connectTo(access);
    for (let i = 0; i < 3; i++) expect(await sendSpan(connection, id)).toBe(200);
    expect(await client.getTraces().toArray()).toHaveLength(3);
    expect(seen.every((path) => path.startsWith('/team/mlflow/'))).toBe(true);
    await Promise.all([client.close(), connection.close()]);
    const stranger = new MlflowClient({ trackingUri, serverCertPath: certificates.caPath });
    await expect(stranger.getExperiment({ name: 'tls' })).rejects.toMatchObject({
      name: 'ConnectionError',
    });
    await stranger.close();
    await close(front);
  });

  it('is reached through the proxy of the environment', async () => {
    const proxy = await startProxy();
    try {
      const connection = connectTo({ trackingUri: server.url }, { HTTP_PROXY: proxy.url });
      expect((await fetchServerVersion(connection))?.text).toBe('3.17.2');
      expect(await sendSpan(connection, '0')).toBe(200);
      expect(proxy.seen).toEqual([`GET ${server.url}/version`, `POST ${server.url}/v1/traces`]);
      await connection.close();
    } finally {
      await proxy.close();
    }
  });

  it('is reached again at once when it had closed the kept socket', async () => {
    const connection = connectTo({ trackingUri: server.url });
    for (let i = 0; i < 3; i++) {
      expect(await sendSpan(connection, '0')).toBe(200);
      // The server gives idle sockets up after 5 s. With the event loop blocked, its goodbye is not
      // seen before the next request is written to the dead socket.
      await sleep(3_000);
      const end = Date.now() + 2_500;
      while (Date.now() < end);
      expect(await sendSpan(connection, '0')).toBe(200);
    }
    await connection.close();
  });
});

describe('a server that serves below a path of its own', () => {
  it('takes spans and answers there', async () => {
    const server = await startMlflowServer({ env: { MLFLOW_STATIC_PREFIX: '/own/path' } });
    try {
      const trackingUri = `${server.url}/own/path`;
      const client = new MlflowClient({ trackingUri, experimentName: 'prefixed' });
      const id = await client.getOrCreateExperiment('prefixed');
      const connection = connectTo({ trackingUri });
      expect(await sendSpan(connection, id)).toBe(200);
      expect(await client.getTraces().toArray()).toHaveLength(1);
      await Promise.all([client.close(), connection.close()]);
    } finally {
      await server.stop();
    }
  });
});

describe('a server with workspaces', () => {
  it('keeps each workspace’s traces apart', async () => {
    const server = await startMlflowServer({ env: { MLFLOW_ENABLE_WORKSPACES: 'true' } });
    try {
      const admin = connectTo({ trackingUri: server.url });
      for (const name of ['team-a', 'team-b']) {
        const { status, text } = await admin.send({
          method: 'POST',
          path: '/api/3.0/mlflow/workspaces',
          body: { name },
        });
        expect([status, text]).toEqual([201, expect.any(String)]);
      }
      await admin.close();
      const counts: number[] = [];
      for (const workspace of ['team-a', 'team-b']) {
        const access = { trackingUri: server.url, workspace };
        const client = new MlflowClient({ ...access, experimentName: 'same name' });
        const id = await client.getOrCreateExperiment('same name');
        const connection = connectTo(access);
        const times = workspace === 'team-a' ? 2 : 1;
        for (let i = 0; i < times; i++) expect(await sendSpan(connection, id)).toBe(200);
        counts.push((await client.getTraces().toArray()).length);
        await Promise.all([client.close(), connection.close()]);
      }
      expect(counts).toEqual([2, 1]);
    } finally {
      await server.stop();
    }
  });
});
