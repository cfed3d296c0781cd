// @ts-check
// Runs a bundle where nothing but the bundle is: a folder of its own, far from any node_modules.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { openEndpoint } from './endpoint.cjs';

/** @param {string} bundle */
export async function runBundle(bundle) {
  const endpoint = await openEndpoint(() => 'Answer: four');
  const folder = mkdtempSync(join(tmpdir(), 'bundle-'));
  copyFileSync(bundle, join(folder, basename(bundle)));
  const { apiKey, apiURL } = endpoint.options;
  const child = spawn(process.execPath, [basename(bundle)], {
    cwd: folder,
    env: { ...process.env, OPENAI_API_KEY: apiKey, OPENAI_API_URL: apiURL },
    stdio: 'inherit',
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  await endpoint.close();
  rmSync(folder, { recursive: true });
  return code;
}
