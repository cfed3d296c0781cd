import '@ax-llm/ax';
