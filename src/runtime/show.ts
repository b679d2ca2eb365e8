/** Describes a wrong value for an error message, everywhere that Sendall refuses a value. Pages load the file with the client. */

/** Characters of a description: short enough for a line. */
const MAX_SHOWN = 60;

/** Describes a wrong value: the kind, and as much of the value as fits on a line. Never throws, whatever the value. */
export function show(value: unknown): string {
  try {
    const text = describe(value);
    return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 3)}...` : text;
  } catch {
    // A proxy that has been revoked, an object that refers to itself.
    return "something that cannot be read";
  }
}

function describe(value: unknown): string {
  if (typeof value === "function") return kindOfFunction(value);
  // Only the shown part of a long string is turned into JSON.
  if (typeof value === "string") return JSON.stringify(value.slice(0, MAX_SHOWN));
  if (typeof value !== "object" || value === null) return String(value);
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype)
    return `an object of class ${value.constructor?.name ?? "null"}`;
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === "function" ? "a function" : part));
}

/** Tells functions from what is of type function, too, and fails or does nothing when called: classes and generator functions. */
export function kindOfFunction(value: object): "a function" | "a class" | "a generator function" {
  if (/^class\b/.test(Function.prototype.toString.call(value))) return "a class";
  return Object.prototype.toString.call(value).endsWith("GeneratorFunction]") ? "a generator function" : "a function";
}
