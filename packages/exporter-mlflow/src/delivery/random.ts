import { randomInt } from 'node:crypto';

const DRAWS = 2 ** 32;

/** From 0 up to 1. Not `Math.random`: a program that seeds it would draw other numbers with delivery than without. */
export const random = (): number => randomInt(DRAWS) / DRAWS;
