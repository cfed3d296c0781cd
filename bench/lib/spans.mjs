import { ROOT_CONTEXT, trace } from '@opentelemetry/api';

export const SPANS_PER_TRACE = 5;

/** One trace as a program leaves it: the program, its model call and three steps. Ends its spans as it goes. */
export function makeTrace(tracer, text) {
  const root = tracer.startSpan(
    'invoke_workflow QA',
    {
      attributes: {
        'openinference.span.kind': 'CHAIN',
        'gen_ai.operation.name': 'invoke_workflow',
        'dspy.module.name': 'QA',
        'input.value': text,
        'output.value': text,
      },
    },
    ROOT_CONTEXT,
  );
  const below = trace.setSpan(ROOT_CONTEXT, root);
  for (let k = 1; k < SPANS_PER_TRACE; k++) {
    const attributes = {
      'openinference.span.kind': 'LLM',
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.usage.input_tokens': 11,
      'gen_ai.usage.output_tokens': 7,
      'input.value': text,
      'output.value': text,
    };
    tracer.startSpan('chat gpt-4o-mini', { attributes }, below).end();
  }
  root.end();
}
