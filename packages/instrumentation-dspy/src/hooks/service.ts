import type { Attributes } from '@opentelemetry/api';
import { ask, askOnce } from '../ask.js';
import { GEN_AI_PROVIDER_NAME, SERVER_ADDRESS, SERVER_PORT } from '../attributes/gen-ai.js';
import { LLM_PROVIDER, LLM_SYSTEM } from '../attributes/openinference.js';
import { providerOf, serverOf } from '../attributes/provider.js';
import { readProperty } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import type { Settings } from '../settings.js';

/** What the hooks read of an Ax AI service. Which of it exists depends on class and version. */
export interface Service {
  readonly apiURL?: unknown;
}

export interface ServiceDescription {
  readonly settings: Settings;
  readonly name: string;
  readonly url: unknown;
  /** Identity, set at the start of the span. */
  readonly identity: Attributes;
  /** Set when the span ends. */
  readonly fixed: Attributes;
}

const byService = new WeakMap<object, ServiceDescription>();
/** Services may be made anew for every request or tenant: those alike share a description. */
let byName: ServiceDescription[] = [];
const MAX_NAMES = 32;
export const MAX_NAME_BYTES = 128;

/** Provider and server of a service, built once. */
export function describeService(service: Service & object, settings: Settings): ServiceDescription {
  const ofService = byService.get(service);
  const url = readProperty(service, 'apiURL');
  if (ofService?.settings === settings && ofService.url === url) return ofService;
  const name = safeString(nameOfService(service) ?? 'unknown', MAX_NAME_BYTES);
  let known = byName.find(
    (each) => each.settings === settings && each.name === name && each.url === url,
  );
  if (known === undefined) {
    known = createDescription(name, url, settings);
    if (byName.length >= MAX_NAMES) byName = [];
    byName.push(known);
  }
  byService.set(service, known);
  return known;
}

function createDescription(name: string, url: unknown, settings: Settings): ServiceDescription {
  const { genAi, openInference } = providerOf(name);
  const identity: Attributes = {};
  const fixed: Attributes = {};
  if (settings.genAi && genAi !== '') identity[GEN_AI_PROVIDER_NAME] = genAi;
  if (settings.openInference && openInference !== '') {
    fixed[LLM_PROVIDER] = openInference;
    fixed[LLM_SYSTEM] = openInference;
  }
  const server = serverOf(url);
  if (server !== undefined) {
    fixed[SERVER_ADDRESS] = server.address;
    if (server.port !== undefined) fixed[SERVER_PORT] = server.port;
  }
  return { settings, name, url, identity, fixed };
}

/** What a service calls itself. */
export function nameOfService(service: unknown): string | undefined {
  const name = askOnce(service, 'getName');
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/** What a service estimates a call to have cost, in US dollars; `undefined` where it knows no price. */
export function costOf(service: Service, modelUsage: unknown): number | undefined {
  if (modelUsage === undefined || modelUsage === null) return undefined;
  const cost = ask(service, 'getEstimatedCost', modelUsage);
  return typeof cost === 'number' && cost > 0 && Number.isFinite(cost) ? cost : undefined;
}
