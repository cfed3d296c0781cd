// `node --require @hokusai/instrumentation-dspy/register app.js`: as register.ts, without waiting for anything.
type Registration = typeof import('./registration.js', { with: { 'resolution-mode': 'import' }});
type Sdk = Parameters<Registration['startSdk']>[1];

const registration: Registration = require('./registration.js');
const { createRegistered, isMissing, needsSdk, reportFailure, startSdk } = registration;

try {
  const instrumentation = createRegistered();
  if (instrumentation !== undefined) {
    require('@hokusai/instrumentation-dspy/loader-hooks');
    if (needsSdk()) startSdk(instrumentation, require('@opentelemetry/sdk-node') as Sdk);
  }
} catch (error) {
  if (!isMissing(error)) reportFailure(error);
}
