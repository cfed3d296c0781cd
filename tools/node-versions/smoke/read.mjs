import { MlflowClient } from '@hokusai/exporter-mlflow';

const client = new MlflowClient({ trackingUri: 'file:./traces' });
const traces = await client.getTraces({ experimentName: process.argv[2] }).toArray();
const shown = traces.map(({ name, state, tokens, spans }) => ({
  name,
  state,
  tokens: tokens?.totalTokens,
  types: spans.map(({ type }) => type),
}));
console.log(JSON.stringify(shown));
