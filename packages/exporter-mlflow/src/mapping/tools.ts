import type { AttributeMap } from '../internal-types.js';
import { unflatten } from './messages.js';
import { isObject, parseJson, readArray } from './read.js';

/**
 * Writes `mlflow.chat.tools`, the panel of tools that a model was offered, from OpenTelemetry's
 * `gen_ai.tool.definitions` or OpenInference's `llm.tools.N.tool.json_schema`, in the shape of OpenAI's API.
 */
export function writeTools(attributes: AttributeMap): void {
  const tools = readTools(attributes);
  if (tools === undefined || tools.length === 0) return;
  attributes['mlflow.chat.tools'] ??= JSON.stringify(tools);
  delete attributes['gen_ai.tool.definitions'];
  for (const key in attributes) {
    if (key.startsWith('llm.tools.')) delete attributes[key];
  }
}

function readTools(attributes: AttributeMap): unknown[] | undefined {
  const definitions = readArray(attributes, 'gen_ai.tool.definitions');
  if (definitions) return definitions.filter(isObject).map(toFunctionTool);
  return unflatten(attributes, 'llm.tools.')
    ?.filter(isObject)
    .map(({ tool }) => (isObject(tool) ? parseJson(String(tool.json_schema)) : undefined))
    .filter(isObject)
    .map(toFunctionTool);
}

/** OpenTelemetry writes a function's fields beside `type`, OpenAI's API below `function`. */
function toFunctionTool(tool: Record<string, unknown>): Record<string, unknown> {
  if (isObject(tool.function)) return { type: 'function', ...tool };
  const { type: _type, name, description, parameters, input_schema } = tool;
  const schema = parameters ?? input_schema;
  return {
    type: 'function',
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      ...(schema === undefined ? {} : { parameters: schema }),
    },
  };
}
