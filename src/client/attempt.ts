/** Code that refuses its input by throwing, as a value, and what such code throws, in words. Small, since pages load the file. */

import { UNREADABLE } from "./texts.js";

/** @returns what `make` returns; `undefined` if `make` throws */
export function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

/** The message of an error; any other value as text. Never throws, whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return attempt(() => String((thrown as Error | null)?.message ?? thrown)) ?? UNREADABLE;
}
