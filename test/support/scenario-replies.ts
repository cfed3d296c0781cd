import type { ModelRequest, Reply } from './mock-model.js';

/**
 * Answers for the kinds of programs that tests run when they bring no script of their own: plain
 * generators with `answer`, `notes`, `summary` and `docLabel`, generators and agents with tools.
 */
export function scenarioReply(request: ModelRequest): Reply {
  const [system = '', ...rest] = request.messages.map(textOf);
  const conversation = rest.join('\n');
  if (system.includes('Distiller')) {
    return 'Javascript Code: await final("lookup key k1", {})';
  }
  if (/javascript/i.test(system)) {
    return conversation.includes('val-k1')
      ? 'Javascript Code: await final("answer", {v:"val-k1"})'
      : 'Javascript Code: const r = await kb.lookup({key:"k1"}); console.log(r)';
  }
  const tool = request.tools?.[0]?.function.name;
  if (tool !== undefined && !request.messages.some(({ role }) => role === 'tool')) {
    return { toolCalls: [{ name: tool, arguments: {}, id: 'call_1' }] };
  }
  if (system.includes('Doc Label')) return 'Doc Label: x';
  if (system.includes('Summary')) return 'Summary: s';
  if (system.includes('Notes')) return 'Answer: four and five\nNotes: none at all';
  return conversation.includes('val-k1') ? 'Answer: val-k1' : 'Answer: four';
}

function textOf({ content }: ModelRequest['messages'][number]): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? '').join('\n');
}
