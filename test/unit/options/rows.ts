/** The rows of the server's two tables by dotted name, for tests that go through all options. */
import { checkOf } from "../../../src/options/kinds.js";
import { routeTable, serverTable } from "../../../src/options/server-options.js";
import type { OptionTable } from "../../../src/options/table.js";

export interface FlatRow {
  readonly scope: "server" | "route";
  readonly default: unknown;
  /** What error messages expect. */
  readonly expected: string;
}

type NamesOf<T> = {
  readonly [K in keyof T & string]: T[K] extends { readonly group: infer G } ? `${K}.${keyof G & string}` : K;
}[keyof T & string];
export type OptionName = NamesOf<typeof serverTable> | NamesOf<typeof routeTable>;

function flatten(table: OptionTable, scope: FlatRow["scope"], group = ""): [name: string, row: FlatRow][] {
  return Object.entries(table).flatMap(([name, row]) => {
    if ("group" in row) return flatten(row.group, scope, `${name}.`);
    const preset = "default" in row ? row.default : undefined;
    return [[group + name, { scope, default: preset, expected: checkOf(row).expected }]];
  });
}

const lowWaterEvents: FlatRow = {
  scope: "route",
  // A quarter of the default of `highWaterEvents`.
  default: 16,
  expected: checkOf(routeTable.mailbox.group.lowWaterEvents).expected,
};

/** An option in both tables is an option of routes. */
export const optionRows = Object.fromEntries([
  ...flatten(serverTable, "server"),
  ...flatten(routeTable, "route"),
  ["mailbox.lowWaterEvents", lowWaterEvents],
]) as Readonly<Record<OptionName, FlatRow>>;
