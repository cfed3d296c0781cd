import { AxFlow, AxGen, flow, s } from '@ax-llm/ax';
import { describe, expect, it } from 'vitest';
import { createProgram, identityOf, signatureRegistry, signatures } from '../src/index.js';
import { applyContract } from '../src/program/contract.js';
import { programName } from '../src/program/name.js';
import { useModel } from './support/model.js';

const model = useModel();

describe('a program of a signature', () => {
  it('is a plain AxGen with its name, version and signature', () => {
    const program = createProgram(signatures.DraftText, {
      version: '1.1',
      identity: { author: 'me' },
    });
    expect(Object.getPrototypeOf(program)).toBe(AxGen.prototype);
    expect(Object.keys(program)).not.toContain('forward');
    expect(identityOf(program)).toEqual({
      name: 'DraftText',
      version: '1.1',
      author: 'me',
      signature: signatures.DraftText,
    });
    expect(programName(program)).toBe('DraftText');
    expect(programName(createProgram('DraftText', { name: 'mine' }))).toBe('mine');
  });

  it('knows registered signatures by name, and others by their fields', () => {
    const own = s('userQuestion:string -> answer:string');
    expect(programName(createProgram(own))).toBe('AxGen(userQuestion -> answer)');
    signatureRegistry.register({ name: 'OwnQuestion', signature: own });
    expect(programName(createProgram(own))).toBe('OwnQuestion');
    expect(programName(createProgram('own_question'))).toBe('OwnQuestion');
  });

  it('calls the model with its options; those of the call go before, `undefined` does not', async () => {
    const program = createProgram('DraftText', {
      model: 'gpt-4o',
      modelConfig: { temperature: 0.3, maxTokens: 50 },
      instruction: 'Rhyme.',
    });
    model.play(['Draft: d']);
    const inputs = { topic: 't', purpose: 'p' };
    await program.forward(model.service(), inputs, { model: undefined } as never);
    await program.forward(model.service(), inputs, { modelConfig: { temperature: 0.9 } });
    expect(model.requests()).toMatchObject([
      { model: 'gpt-4o', temperature: 0.3, max_completion_tokens: 50 },
      { model: 'gpt-4o', temperature: 0.9, max_completion_tokens: 50 },
    ]);
    expect(JSON.stringify(model.requests()[0])).toContain('Rhyme.');
  });

  it('follows a signature that is set anew', async () => {
    const program = createProgram('SummarizeText');
    program.setSignature('text:string -> summary:string');
    expect(
      identityOf(program)
        ?.signature?.getInputFields()
        .map(({ name }) => name),
    ).toEqual(['text']);
    await expect(program.forward(model.service(), {} as never)).rejects.toThrow(
      'missing required input: text',
    );
  });

  it('streams with Ax’s own generator where nothing has to be known of the inputs', async () => {
    model.play(['Draft: one two three']);
    const stream = createProgram('DraftText').streamingForward(model.service(), {
      topic: 't',
      purpose: 'p',
    });
    let text = '';
    for await (const { delta } of stream) text += delta.draft ?? '';
    expect(text).toBe('one two three');
  });

  it('closes the stream that its reader leaves', async () => {
    let closed = false;
    class Streaming {
      async forward() {
        return {};
      }
      async *streamingForward() {
        try {
          yield { version: 0, index: 0, delta: { part: 1 } };
          yield { version: 0, index: 0, delta: { part: 2 } };
        } finally {
          closed = true;
        }
      }
    }
    const program = applyContract(new Streaming(), { tracksInputs: true });
    for await (const chunk of program.streamingForward()) {
      expect(chunk.delta.part).toBe(1);
      break;
    }
    expect(closed).toBe(true);
  });

  it('hands on what Ax hides under symbols in the options', async () => {
    const frame = Symbol('frame');
    let seen: object | undefined;
    class Own {
      async forward(_ai: unknown, _values: object, options: object) {
        seen = options;
        return {};
      }
    }
    const program = applyContract(new Own(), { callOptions: { model: 'a', maxSteps: 3 } });
    await program.forward(undefined, {}, { [frame]: 1, model: undefined, maxSteps: 5 });
    expect(seen).toEqual({ [frame]: 1, model: 'a', maxSteps: 5 });
  });

  it('works as a node of a flow, where its defaults hold too', async () => {
    const chain = flow<{ topic: string }>()
      .node('draft', createProgram('DraftText'))
      .execute('draft', (state) => ({ topic: state.topic, purpose: 'p' }))
      .returns((state) => ({ text: state.draftResult.draft }));
    expect(chain).toBeInstanceOf(AxFlow);
    model.play(['Draft: d']);
    expect(await chain.forward(model.service(), { topic: 't' })).toEqual({ text: 'd' });
    expect(model.prompt()).toContain('Audience: general');
  });
});

describe('names of programs', () => {
  class Mine {
    forward() {}
  }
  it.each([
    [new Mine(), 'Mine'],
    [{ forward() {} }, 'program'],
    [Object.create(null) as object, 'program'],
    [new AxGen('userQuestion:string -> answer:string', { traceLabel: 'Asker' }), 'Asker'],
    [
      flow().node('sum', 'userText:string -> shortText:string').description('Summing', 'sums'),
      'Summing',
    ],
  ])('%#', (program, name) => {
    expect(programName(program)).toBe(name);
  });
});
