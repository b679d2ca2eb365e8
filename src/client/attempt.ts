/** Constructors and parsers that refuse their input by throwing, as a value: for checks of addresses, headers and welcomes. */

/** @returns what `make` returns; `undefined` if `make` throws */
export function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
