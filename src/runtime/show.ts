/** Describes a wrong value for an error message, everywhere that Sendall refuses a value. */

/** Characters of a description: short enough for a line. */
const MAX_SHOWN = 60;

/** Describes a wrong value: the kind, and as much of the value as fits on a line. Never throws, whatever the value. */
export function show(value: unknown): string {
  try {
    return describe(value);
  } catch {
    return "something that cannot be read";
  }
}

function describe(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "number")
    return shorten(String(value));
  if (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.getPrototypeOf(value) !== Object.prototype
  )
    return shorten(`an object of class ${value.constructor?.name ?? "null"}`);
  // Only the shown part of a long string is turned into JSON.
  if (typeof value === "string") return shorten(JSON.stringify(value.slice(0, MAX_SHOWN)));
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_key, part: unknown) => (typeof part === "function" ? "a function" : part));
  } catch {
    return "an object that refers to itself";
  }
  return shorten(text ?? String(value));
}

function shorten(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 3)}...` : text;
}
