import { homedir } from 'node:os';
import { autolog, disableAutolog, getAutologClient, MlflowDspyConfig } from '@hokusai/mlflow-dspy';
import { diag } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { forgetWarnings } from '../src/log.js';
import { spoolDirectory } from '../src/pipeline/spool-directory.js';

vi.mock('node:os', async (original) => {
  const os = await original<typeof import('node:os')>();
  return { ...os, homedir: vi.fn(os.homedir) };
});

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
  disableAutolog();
  vi.mocked(homedir).mockReset();
  vi.unstubAllEnvs();
  warnings.splice(0);
  forgetWarnings();
});

const STATE = { XDG_STATE_HOME: '/state' };

/** The folder for options, with the environment that the configuration is read from. */
function folder(options: object, env: Record<string, string> = STATE) {
  return spoolDirectory(new MlflowDspyConfig(options, env), env);
}

describe('the default folder of the spool', () => {
  it('is below the state folder of the user', () => {
    vi.mocked(homedir).mockReturnValue('/home/u');
    const trackingUri = 'http://mlflow:5000';
    expect(folder({ trackingUri })).toMatch(/^\/state\/mlflow-dspy\/[0-9a-f]{16}$/);
    expect(folder({ trackingUri }, {})).toMatch(/^\/home\/u\/\.local\/state\/mlflow-dspy\//);
  });

  it('is another for each server and each workspace, however the workspace is given', () => {
    const trackingUri = 'http://mlflow:5000';
    const folders = [
      folder({ trackingUri }),
      folder({ trackingUri: 'http://mlflow:5001' }),
      folder({ trackingUri: 'http://mlflow:5000/sub' }),
      folder({ trackingUri, workspace: 'tenant-a' }),
      folder({ trackingUri, workspace: 'tenant-b' }),
    ];
    expect(new Set(folders).size).toBe(folders.length);
    const env = { ...STATE, MLFLOW_WORKSPACE: ' tenant-a ' };
    expect(folder({ trackingUri }, env)).toBe(folders[3]);
    expect(folder({ trackingUri, workspace: 'tenant-b' }, env)).toBe(folders[4]);
  });

  it.each([
    'http://mlflow/',
    ' http://mlflow',
    'HTTP://MLflow:80',
    'http://user:password@mlflow',
    'http://mlflow//?a#b',
  ])('is that of http://mlflow for %j', (trackingUri) => {
    expect(folder({ trackingUri })).toBe(folder({ trackingUri: 'http://mlflow' }));
  });

  it.each(['file:./traces', ' FILE:/traces', './traces', 'mlflow:5000', 'http://', ''])(
    'is none for %j, which is not on a server',
    (trackingUri) => {
      vi.mocked(homedir).mockImplementation(() => {
        throw new Error('not to be asked');
      });
      expect(folder({ trackingUri }, {})).toBeUndefined();
      expect(warnings).toEqual([]);
    },
  );
});

describe('a user without a home folder', () => {
  beforeEach(() => {
    vi.stubEnv('XDG_STATE_HOME', undefined);
    vi.mocked(homedir).mockImplementation(() => {
      throw new Error('uv_os_homedir returned ENOENT');
    });
  });

  it('is traced into a folder, without a word', () => {
    autolog({ trackingUri: 'file:/tmp/never-written' });
    expect(getAutologClient()?.config.enabled).toBe(true);
    expect(warnings).toEqual([]);
  });

  it('is traced to a server without a spool, which is said once', () => {
    autolog({ trackingUri: 'http://127.0.0.1:1' });
    autolog({ trackingUri: 'http://127.0.0.1:2' });
    expect(warnings).toEqual([
      expect.stringMatching(
        /no spool.*spoolDirectory.*MLFLOW_DSPY_SPOOL_DIRECTORY.*XDG_STATE_HOME/,
      ),
    ]);
  });

  it('is asked for nothing more when the spool has a folder, or is not wanted', () => {
    autolog({ trackingUri: 'http://127.0.0.1:1', spoolDirectory: '/tmp/never-written' });
    autolog({ trackingUri: 'http://127.0.0.1:1', spool: false });
    expect(warnings).toEqual([]);
  });

  it('may also have one that is empty', () => {
    vi.mocked(homedir).mockReturnValue('');
    expect(folder({ trackingUri: 'http://mlflow' }, {})).toBeUndefined();
    expect(warnings).toHaveLength(1);
  });
});
