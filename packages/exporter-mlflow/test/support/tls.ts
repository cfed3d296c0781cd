import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestCertificates {
  folder: string;
  /** Paths of PEM files. */
  caPath: string;
  clientCertPath: string;
  clientKeyPath: string;
  /** Certificate and key of the client in one file. */
  clientPath: string;
  server: { cert: string; key: string };
  ca: string;
  remove(): void;
}

/** A private authority, a server certificate of it for 127.0.0.1 and localhost, and a client certificate. */
export function makeCertificates(): TestCertificates {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=Test Authority',
  );
  for (const [name, extension] of [
    ['server', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
    ['client', 'extendedKeyUsage=clientAuth'],
  ] as const) {
    openssl(
      'req',
      ...key,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.csr`),
      '-subj',
      `/CN=${name}`,
    );
    writeFileSync(file(`${name}.ext`), extension);
    openssl(
      'x509',
      '-req',
      '-in',
      file(`${name}.csr`),
      '-CA',
      file('ca.pem'),
      '-CAkey',
      file('ca.key'),
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      file(`${name}.ext`),
      '-out',
      file(`${name}.pem`),
    );
  }
  const read = (name: string) => readFileSync(file(name), 'utf8');
  writeFileSync(file('client-both.pem'), read('client.key') + read('client.pem'));
  return {
    folder,
    caPath: file('ca.pem'),
    clientCertPath: file('client.pem'),
    clientKeyPath: file('client.key'),
    clientPath: file('client-both.pem'),
    server: { cert: read('server.pem'), key: read('server.key') },
    ca: read('ca.pem'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
