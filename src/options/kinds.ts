/**
 * The kinds of values of options: rows of tables name a kind, and the reader checks values by kind. Serves every table of options.
 * Browsers load the file with the client, so the file uses nothing of Node.
 */

/** Longer than any sensible wait, short enough to be added to a date. */
export const MAX_MS: number = 2 ** 40;
/** The longest wait of a native timer, which counts in 32 bits and fires at once after a longer wait. */
export const MAX_NATIVE_MS: number = 2 ** 31 - 1;

/** A number between two bounds, both included: a whole number, any number, or a wait in whole milliseconds. */
export interface NumberRow {
  readonly kind: "whole" | "number" | "ms";
  /** Default for a wait: 1. Default without `"ms"`: no lower bound. */
  readonly min?: number;
  /** Default for a wait: {@link MAX_MS}. Default without `"ms"`: no upper bound, but infinity is refused. */
  readonly max?: number;
  /** Whether `false` is accepted too. */
  readonly orFalse?: true;
  readonly default?: number | false;
  /** Replaces the description which error messages derive from the kind and the bounds. */
  readonly expected?: string;
}

/** A word from a short list. */
export interface WordRow {
  readonly kind: "oneOf";
  readonly words: readonly string[];
  readonly default?: string;
}

/** `true` or `false`. */
export interface FlagRow {
  readonly kind: "flag";
  readonly default?: boolean;
}

/** A non-empty string. */
export interface TextRow {
  readonly kind: "text";
  readonly default?: string;
}

/** A function of the type which the public interface declares. */
export interface FunctionRow {
  readonly kind: "function";
}

/** Any value. The code which uses the setting checks or converts the value. */
export interface UncheckedRow {
  readonly kind: "unchecked";
  readonly default?: unknown;
}

/** A kind of value which a single row defines. */
export interface OwnRow {
  /** Follows "expected" in error messages. */
  readonly expected: string;
  /** A type predicate, from which the compiler learns the type of the value. */
  readonly accepts: (value: unknown) => boolean;
  readonly default?: unknown;
  /** Refuses options without a value. */
  readonly required?: true;
  /** Keeps the value out of error messages, where the value may hold a password. */
  readonly secret?: true;
}

/** What a table says about an option. Without a `default`, the setting of a missing option is `undefined`. */
export type OptionRow = NumberRow | WordRow | FlagRow | TextRow | FunctionRow | UncheckedRow | OwnRow;

/** The type of the values which a row accepts; `unknown` for `"function"` and `"unchecked"`. */
export type ValueOf<R> = R extends { readonly kind: NumberRow["kind"] }
  ? number | (R extends { readonly orFalse: true } ? false : never)
  : R extends { readonly words: readonly (infer Word)[] }
    ? Word
    : R extends { readonly kind: "flag" }
      ? boolean
      : R extends { readonly kind: "text" }
        ? string
        : R extends { readonly accepts: (value: unknown) => value is infer T }
          ? T
          : unknown;

/** How a value is checked; `expected` completes an error message. */
export interface ValueCheck<T> {
  readonly expected: string;
  readonly accepts: (value: unknown) => value is T;
}

/** A check whose type the overload of {@link checkOf} adds. */
type UntypedCheck = Pick<OwnRow, "expected" | "accepts">;

const NUMBERS = { whole: "a whole number", number: "a number", ms: "a whole number of milliseconds" } as const;

function checkOfNumber({ kind, min, max, orFalse, expected }: NumberRow): UntypedCheck {
  const isWait = kind === "ms";
  const lowest = min ?? (isWait ? 1 : undefined);
  const highest = max ?? (isWait ? MAX_MS : Number.POSITIVE_INFINITY);
  const isKind = kind === "number" ? Number.isFinite : Number.isSafeInteger;
  const range = `${lowest === undefined ? "" : ` from ${lowest}`}${max === undefined ? "" : ` to ${max}`}`;
  return {
    expected: `${expected ?? NUMBERS[kind] + range}${orFalse ? ", or false" : ""}`,
    accepts: (value) =>
      (orFalse === true && value === false) ||
      (typeof value === "number" && isKind(value) && value >= (lowest ?? value) && value <= highest),
  };
}

/** The check of a row's values. */
export function checkOf<R extends OptionRow>(row: R): ValueCheck<ValueOf<R>>;
export function checkOf(row: OptionRow): UntypedCheck {
  if ("accepts" in row) return row;
  switch (row.kind) {
    case "oneOf":
      return {
        expected: row.words.map((word) => `"${word}"`).join(" or "),
        accepts: (value) => row.words.some((word) => word === value),
      };
    case "flag":
      return { expected: "true or false", accepts: (value) => typeof value === "boolean" };
    case "text":
      return { expected: "a string that is not empty", accepts: (value) => typeof value === "string" && value !== "" };
    case "function":
      return { expected: "a function", accepts: (value) => typeof value === "function" };
    case "unchecked":
      return { expected: "any value", accepts: () => true };
    default:
      return checkOfNumber(row);
  }
}

/** An object which holds options: neither `null` nor an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
