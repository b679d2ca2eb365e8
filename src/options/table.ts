/**
 * The types of tables of options, and of the settings from a table. A table has a row for each option of a public interface
 * and nests the rows of a group. The compiler compares table and interface: an option without a row, a row without an option, a row of
 * another type and a default of another type do not compile.
 */
import type { OptionRow, ValueOf } from "./kinds.js";

/** Options below a common name, such as `mailbox.maxBytes`. */
export interface OptionGroup {
  readonly group: OptionTable;
  /** Values which a program may give in place of an object: `true` for the defaults of the rows, `false` to turn the group off. */
  readonly or?: readonly boolean[];
  /** Turns a missing group off. Default: a missing group has the defaults of the rows. */
  readonly default?: false;
  /** Replaces the description which error messages derive from `or`. */
  readonly expected?: string;
}

/** Options by name. The reader checks the values in the order of the rows. */
export interface OptionTable {
  readonly [name: string]: OptionRow | OptionGroup;
}

type Defined<V> = Exclude<V, undefined>;
type IsSame<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** Named by the compiler where a row does not fit an option: the values of the option. */
interface RowOf<V> {
  readonly valuesOfTheOption: V;
}

/** Named by the compiler where a row has no option. */
interface NoOption {
  readonly thePublicInterfaceHasNoSuchOption: true;
}

type HasKind<V, R> = R extends { readonly kind: "function" }
  ? [V] extends [(...parameters: never) => unknown]
    ? true
    : false
  : R extends { readonly kind: "unchecked" }
    ? true
    : IsSame<V, ValueOf<R>>;
type HasDefault<V, R> = R extends { readonly default: infer D } ? ([D] extends [V] ? true : false) : true;
type StandIns<R> = R extends { readonly or: readonly (infer B)[] } ? B : never;

/** `R` if the row `R` fits the values `V` of an option. */
type Fitting<V, R> = R extends { readonly group: infer G }
  ? IsSame<Extract<V, boolean>, StandIns<R>> extends true
    ? HasDefault<V, R> extends true
      ? { readonly group: TableFor<Exclude<V, boolean>, G> }
      : RowOf<V>
    : RowOf<V>
  : HasKind<V, R> extends true
    ? HasDefault<V, R> extends true
      ? R
      : RowOf<V>
    : RowOf<V>;

/** The type which a table `T` must have for the options `O`. Every option, optional or not, needs a row. */
export type TableFor<O, T> = {
  readonly [K in keyof O]-?: K extends keyof T ? Fitting<Defined<O[K]>, T[K]> : RowOf<Defined<O[K]>>;
} & { readonly [K in Exclude<keyof T, keyof O>]: NoOption };

type Setting<V, R> = R extends { readonly group: infer G }
  ? Settings<Exclude<V, boolean>, G> | Extract<V, false>
  : R extends { readonly default: unknown } | { readonly required: true }
    ? V
    : V | undefined;
type Settings<O, T> = { readonly [K in keyof O & keyof T]-?: Setting<Defined<O[K]>, T[K]> };

/** The settings which the reader returns for the options `O`: complete, also in groups. Compiles only if the table fits the options. */
export type SettingsOf<O, T extends TableFor<O, T>> = Settings<O, T>;
