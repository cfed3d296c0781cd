import type { AxCopy } from '../copy.js';
import { chat, settleChat } from './model.js';
import {
  innerCall,
  outerCall,
  type ServiceCall,
  simpleCall,
  traceServiceCall,
} from './service-call.js';
import type { Hook, Method } from './types.js';

const chatCall: ServiceCall = {
  kind: chat,
  resolve: ([model, config, request, options]) => [request, options, model, config],
  settle: settleChat,
};

/** Calls `chat` of a service that is none of Ax's classes. */
export function traceChat(copy: AxCopy, method: Method, service: object, args: unknown[]): unknown {
  return traceServiceCall(copy, chatCall, method, service, args);
}

export const chatHooks: readonly Hook[] = [
  { target: 'AxBaseAI', method: 'chat', wrap: outerCall(chatCall) },
  { target: 'AxBaseAI', method: '_chat2', wrap: innerCall(chatCall) },
  { target: 'AxMockAIService', method: 'chat', wrap: simpleCall(chatCall) },
];
