/**
 * The reader of options: compares a program's options with a table, fills in defaults and refuses the first mistake with `BAD_OPTION`.
 * Serves `serve`, `close`, the client, the adapters of clusters and the test runtime, each with a separate table. Browsers load the file
 * with the client, so the file uses nothing of Node.
 */
import { SendallError } from "../api/errors.js";
import { show } from "../runtime/show.js";
import { checkOf, isRecord, type OptionRow } from "./kinds.js";
import type { OptionGroup, OptionTable, SettingsOf, TableFor } from "./table.js";
import { explainUnknown, type Translations } from "./unknown-name.js";

/** A set of options from a program. */
export interface OptionLayer {
  readonly options: object;
  /** Precedes the names of options in error messages, such as `routes["/a"].`. Default none. */
  readonly at?: string;
}

/** How unknown names are refused. */
export interface NameRules {
  /** The problem with an unknown name that means something elsewhere. Default none. */
  readonly translations?: Translations;
  /** Names which the message does not offer, since the caller refuses such options. Default none. */
  readonly hidden?: readonly string[];
  /** Checks each value together with the name, and leaves the options of groups to further calls with `group`. */
  readonly withValues?: true;
}

/** Throws `BAD_OPTION`. The message begins with the option's dotted name. */
export function refuseOption(option: string, problem: string): never {
  throw new SendallError("BAD_OPTION", `${option}: ${problem}`, { option });
}

/** Throws `BAD_OPTION` unless the options of a call are an object. @param expected in words, with an example where there is one */
export function checkOptionsObject(
  options: unknown,
  expected = "an object",
): asserts options is Record<string, unknown> {
  if (!isRecord(options)) refuseOption("options", `expected ${expected}, got ${show(options)}`);
}

function isGroup(row: OptionRow | OptionGroup): row is OptionGroup {
  return "group" in row;
}

function checkGroup(name: string, { or = [], expected }: OptionGroup, value: unknown): void {
  if (value === undefined || isRecord(value) || or.some((standIn) => standIn === value)) return;
  const last = or.at(-1);
  const accepted = ["an object", ...or.slice(0, -1)].join(", ") + (last === undefined ? "" : ` or ${last}`);
  refuseOption(name, `expected ${expected ?? accepted}, got ${show(value)}`);
}

function checkValue(name: string, row: OptionRow, value: unknown): void {
  if (value !== undefined && !checkOf(row).accepts(value)) refuseValue(name, row, value);
}

function refuseValue(name: string, row: OptionRow, value: unknown): never {
  refuseOption(name, `expected ${checkOf(row).expected}${"secret" in row ? "" : `, got ${show(value)}`}`);
}

/**
 * Refuses names which the table does not have, also in groups, and groups which are not objects. The first mistake in the order of the
 * program's object counts.
 *
 * @param group for the options of a single group: the name of the group and a dot
 */
export function checkNames(
  { options, at = "" }: OptionLayer,
  table: OptionTable,
  rules: NameRules = {},
  group = "",
): void {
  const { translations = {}, hidden } = rules;
  for (const [key, value] of Object.entries(options)) {
    const name = group + key;
    const row = Object.hasOwn(table, key) ? table[key] : undefined;
    if (row === undefined) {
      const isTranslated = Object.hasOwn(translations, name);
      refuseOption(
        at + name,
        isTranslated ? `unknown option: ${translations[name]}` : explainUnknown(key, table, group, hidden),
      );
    }
    if (isGroup(row)) {
      checkGroup(at + name, row, value);
      if (!rules.withValues && isRecord(value)) checkNames({ options: value, at }, row.group, rules, `${name}.`);
    } else if (rules.withValues) checkValue(at + name, row, value);
  }
}

/**
 * Checks values in the order of the rows, and returns the settings. The first layer with a value decides; values of further layers are
 * checked too. `undefined` counts as missing.
 */
export function readSettings<O, T extends OptionTable & TableFor<O, T>>(
  table: T,
  ...layers: readonly [OptionLayer, ...OptionLayer[]]
): SettingsOf<O, T> {
  // The compiler cannot follow a loop over rows. The constraint on `T` ensures a row of the right type for every option.
  return readTable(table, layers) as SettingsOf<O, T>;
}

function readTable(table: OptionTable, layers: readonly OptionLayer[]): Record<string, unknown> {
  const rows = Object.entries(table);
  return Object.fromEntries(
    rows.map(([name, row]) => [name, isGroup(row) ? readGroup(name, row, layers) : readRow(name, row, layers)]),
  );
}

function firstOf(values: readonly unknown[]): unknown {
  return values.find((value) => value !== undefined);
}

function readRow(name: string, row: OptionRow, layers: readonly OptionLayer[]): unknown {
  const values = layers.map(({ options, at = "" }) => {
    const value: unknown = Reflect.get(options, name);
    checkValue(at + name, row, value);
    return value;
  });
  const given = firstOf(values);
  if (given !== undefined) return given;
  if ("required" in row) refuseValue((layers[0]?.at ?? "") + name, row, undefined);
  return "default" in row ? row.default : undefined;
}

function readGroup(name: string, group: OptionGroup, layers: readonly OptionLayer[]): unknown {
  const values = layers.map(({ options, at = "" }) => {
    const value: unknown = Reflect.get(options, name);
    checkGroup(at + name, group, value);
    return value;
  });
  const inside = layers.map(({ at = "" }, i) => {
    const value = values[i];
    return { at: `${at}${name}.`, options: isRecord(value) ? value : {} };
  });
  const settings = readTable(group.group, inside);
  return (firstOf(values) ?? group.default) === false ? false : settings;
}
