/**
 * Positions of messages in a room, as Sendall's own stores of one node write them: the epoch, `-`, and the number in the room, written so that the
 * strings of an epoch sort as the numbers do: a digit for the length, then the number, both in base 36.
 */

const BASE = 36;
const FORM = /^([0-9a-f]{1,64})-([1-9a-b])([0-9a-z]+)$/;

/** @param number whole, from 0: 0 stands for the start of the epoch */
export function positionOf(epoch: string, number: number): string {
  const digits = number.toString(BASE);
  return `${epoch}-${digits.length.toString(BASE)}${digits}`;
}

/** @returns `undefined` for a string that `positionOf` has not written */
export function readPosition(position: string): { readonly epoch: string; readonly number: number } | undefined {
  const [, epoch, , digits] = FORM.exec(position) ?? [];
  if (epoch === undefined || digits === undefined) return undefined;
  const number = Number.parseInt(digits, BASE);
  return positionOf(epoch, number) === position ? { epoch, number } : undefined;
}
