const MAX_STACK_CHARS = 65_536;
const MAX_FRAMES = 50;

/** A frame as V8 writes it: `    at name (file:line:column)`, `    at async name (…)`, `    at file:line:column`. */
const FRAME =
  /^\s{2,}at (?:.{1,300}\()?(?:(?:file:|node:|https?:|webpack:|[A-Za-z]:[\\/]|\/)[^()]{0,500}:\d+(?::\d+)?|<anonymous>|native|eval at .{1,300}|index \d+)\)?$/;

/**
 * The frames of a stack and nothing else: no message, and none of the text that libraries put into `stack` (Ax: the request).
 *
 * A message may itself hold lines that look like frames, so only what follows the message counts; where the message is not in
 * the stack it was changed later, and there is no telling.
 */
export function framesOf(stack: string | undefined, message: string | undefined): string[] {
  if (stack === undefined) return [];
  const text = stack.slice(0, MAX_STACK_CHARS);
  const start = endOfMessage(text, message ?? '');
  if (start === undefined) return [];
  const frames: string[] = [];
  for (const line of text
    .slice(start)
    .split('\n')
    .slice(0, MAX_FRAMES + 1)) {
    if (FRAME.test(line)) frames.push(line);
    // The rest of the message's last line.
    else if (frames.length > 0 || line.trim() !== '') break;
  }
  return frames.slice(0, MAX_FRAMES);
}

function endOfMessage(stack: string, message: string): number | undefined {
  if (message === '') {
    const end = stack.indexOf('\n');
    return end < 0 ? undefined : end;
  }
  // The message may be part of the name before it: `TimeoutError: Timeout`.
  const headed = stack.indexOf(`: ${message}`);
  if (headed >= 0) return headed + 2 + message.length;
  const at = stack.indexOf(message);
  return at < 0 ? undefined : at + message.length;
}
