import { describe, expect, it } from 'vitest';
import { describeSignature } from '../../src/capture/signature.js';
import { AX_MAJORS, loadAx } from '../support/ax.js';

const SIGNATURE =
  '"Judge the review" reviewText:string "what was written", tagList?:string[] -> verdict:class "good, bad", starRating:number "1 to 5", reasoning!:string';

describe.each(AX_MAJORS)('a signature of Ax %i', (major) => {
  it('is described by name, type, direction and constraints', async () => {
    const ax = await loadAx(major);
    const described = describeSignature(new ax.AxSignature(SIGNATURE));
    expect(described?.text).toBe(
      '"Judge the review" reviewText:string "what was written", tagList?:string[] -> verdict:class "good | bad", starRating:number "1 to 5", reasoning!:string',
    );
    expect(JSON.parse(described?.fields ?? '')).toEqual([
      { name: 'reviewText', type: 'string', io: 'input', description: 'what was written' },
      { name: 'tagList', type: 'string[]', io: 'input', optional: true },
      { name: 'verdict', type: 'class', io: 'output', options: ['good', 'bad'] },
      { name: 'starRating', type: 'number', io: 'output', description: '1 to 5' },
      { name: 'reasoning', type: 'string', io: 'output', internal: true },
    ]);
    expect(described).toMatchObject({
      description: 'Judge the review',
      inputNames: ['reviewText', 'tagList'],
      outputNames: ['verdict', 'starRating', 'reasoning'],
    });
  });

  it('has a form without the words of its author', async () => {
    const ax = await loadAx(major);
    const { structure } = describeSignature(new ax.AxSignature(SIGNATURE)) ?? {};
    expect(structure?.text).toBe(
      'reviewText:string, tagList?:string[] -> verdict:class, starRating:number, reasoning!:string',
    );
    expect(structure?.fields).not.toMatch(/written|good|1 to 5|Judge/);
    expect(JSON.parse(structure?.fields ?? '')).toContainEqual({
      name: 'verdict',
      type: 'class',
      io: 'output',
    });
  });

  it('is described once, and again when it was changed', async () => {
    const ax = await loadAx(major);
    const signature = new ax.AxSignature('a1:string -> b1:string');
    const first = describeSignature(signature);
    expect(describeSignature(signature)).toBe(first);
    signature.setDescription('Now with words');
    expect(describeSignature(signature)).toMatchObject({ description: 'Now with words' });
  });

  it('is the same for a program', async () => {
    const ax = await loadAx(major);
    const program = new ax.AxGen('questionText:string -> answerText:string');
    expect(describeSignature(program.signature)?.text).toBe(
      'questionText:string -> answerText:string',
    );
  });

  it('has the constraints and nested fields of fluent types', async () => {
    const ax = await loadAx(major);
    if (typeof ax.f !== 'function' || typeof ax.f.object !== 'function') return;
    const signature = ax
      .f()
      .input('customerName', ax.f.string('who').min(2).max(40))
      .output(
        'orderList',
        ax.f
          .object({ itemName: ax.f.string('what'), unitPrice: ax.f.number().min(0).max(10) })
          .array(),
      )
      .build();
    const fields = JSON.parse(describeSignature(signature)?.fields ?? '');
    expect(fields).toEqual([
      {
        name: 'customerName',
        type: 'string',
        io: 'input',
        description: 'who',
        minLength: 2,
        maxLength: 40,
      },
      expect.objectContaining({
        name: 'orderList',
        type: 'object[]',
        io: 'output',
        fields: [
          { name: 'itemName', type: 'string', description: 'what' },
          { name: 'unitPrice', type: 'number', minimum: 0, maximum: 10 },
        ],
      }),
    ]);
  });
});

describe('describeSignature', () => {
  it('keeps the fields where the description is a prompt of its own', async () => {
    const ax = await loadAx(24);
    const long = `${'Follow the rules. '.repeat(1000)}`;
    const signature = new ax.AxSignature('questionText:string -> answerText:string');
    signature.setDescription(long);
    const described = describeSignature(signature);
    expect(described?.text).toMatch(
      /^"Follow the rules\. .*\.\.\.\[\+\d+ chars\]" questionText:string -> answerText:string$/,
    );
    expect(Buffer.byteLength(described?.text ?? '')).toBeLessThan(4096);
    expect(described?.description).toHaveLength(long.length);
  });

  it('keeps a title that is not the name', () => {
    const signature = {
      getInputFields: () => [
        { name: 'userName', title: 'User Name' },
        { name: 'x', title: 'Special' },
      ],
      getOutputFields: () => [],
    };
    expect(JSON.parse(describeSignature(signature)?.fields ?? '')).toEqual([
      { name: 'userName', type: 'string', io: 'input' },
      { name: 'x', title: 'Special', type: 'string', io: 'input' },
    ]);
  });

  it.each([
    undefined,
    null,
    5,
    'a -> b',
    {},
    [],
    { getInputFields: 5 },
    { getInputFields: () => null, getOutputFields: () => 'x' },
  ])('knows that %j is none', (value) => {
    expect(describeSignature(value)).toBeUndefined();
  });

  it('does not throw with a signature that does', () => {
    const signature = {
      getInputFields: () => {
        throw new Error('no');
      },
    };
    expect(describeSignature(signature)).toBeUndefined();
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    expect(describeSignature(revoked.proxy)).toBeUndefined();
  });
});
