import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSpool } from '../../src/store/spool.js';
import { useExporters } from '../support/exporters.js';
import { type FakeMlflow, startFakeMlflow } from '../support/fake-mlflow.js';
import { exportSpans, smallTrace } from '../support/spans.js';

vi.mock('../../src/store/spool.js', async (load) => ({
  ...(await load<object>()),
  openSpool: vi.fn(),
}));

let server: FakeMlflow;
beforeEach(async () => {
  server = await startFakeMlflow();
});
afterEach(() => server.close());
const { newExporter, warnings } = useExporters(() => ({
  trackingUri: server.url,
  spool: '/a/network/folder',
}));

describe('a disk that does not answer', () => {
  it('holds no trace that the server takes in time', async () => {
    vi.mocked(openSpool).mockReturnValue(new Promise(() => undefined));
    let isDown = true;
    server.onTraces = () => (isDown ? { status: 503 } : undefined);
    const exporter = newExporter();
    const outcome = exportSpans(exporter, smallTrace());
    await vi.waitFor(() => expect(warnings.join()).toContain('/a/network/folder'), 15_000);
    isDown = false;
    expect(await outcome).toEqual({ code: 0 });
    expect(exporter.stats()).toMatchObject({ sent: 2, held: 0, dropped: {} });
    // Each try would keep one of the few threads that Node has for files.
    expect(openSpool).toHaveBeenCalledTimes(1);
  });
});
