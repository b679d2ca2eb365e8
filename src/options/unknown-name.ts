/**
 * The message for an unknown name of an option: the likeliest option, else the options that there are. Browsers load the file with the
 * client, so the file is short and needs no package.
 */
import type { OptionTable } from "./table.js";

/** What to write instead of the options of other packages, by name, such as `"use maxPayloadBytes"`. */
export type Translations = Readonly<Record<string, string>>;

/** Longer names resemble no option. */
const MAX_LENGTH = 40;
/** A shorter beginning of a name says too little. */
const MIN_BEGINNING = 4;
/** A unit at the end of a name, which a short beginning may leave out. */
const UNIT = /^(?:Ms|Bytes|Events)$/;

/** The edits between two words: characters to insert, remove or replace, and neighbors to swap (optimal string alignment). */
function editsBetween(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  const at = (row: readonly number[], j: number): number => row[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSwap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(at(row, j - 1) + 1, at(last, j) + 1, replaced, isSwap ? at(beforeLast, j - 2) + 1 : replaced));
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

/** The name that a misspelt name probably means: at most a third of the characters differ, or `name` is the beginning. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  const word = name.toLowerCase();
  const ranked = known
    .map((own) => ({ own, edits: editsBetween(word, own.toLowerCase()) }))
    .filter(({ own, edits }) => edits <= Math.max(name.length, own.length) / 3)
    .sort((a, b) => a.edits - b.edits);
  if (ranked[0] !== undefined) return ranked[0].own;
  return known.find((own) => {
    const rest = own.slice(word.length);
    return own.toLowerCase().startsWith(word) && (word.length >= MIN_BEGINNING || UNIT.test(rest));
  });
}

/** The options in groups of a table, by the last part of the name and by the dotted name: `heartbeat: { intervalMs }`. */
function optionsInGroups(table: OptionTable): Map<string, string> {
  const options = new Map<string, string>();
  for (const [name, row] of Object.entries(table))
    if ("group" in row)
      for (const key of Object.keys(row.group)) {
        const nested = `${name}: { ${key} }`;
        const sameName = options.get(key);
        options.set(key, sameName === undefined ? nested : `${sameName} or ${nested}`);
        options.set(`${name}.${key}`, nested);
      }
  return options;
}

/** @param name the name without a group; `known` has the options at the same place by dotted name, `group` ends with a dot */
export function explainUnknown(name: string, table: OptionTable, group = "", but: readonly string[] = []): string {
  const known = Object.keys(table).filter((own) => group !== "" || !but.includes(own));
  const inGroups = optionsInGroups(table);
  // Of two names that resemble the given name alike, the name outside of groups counts.
  const likeliest = nearest(name, [...known, ...inGroups.keys()]) ?? "";
  const meant = known.includes(likeliest) ? `"${group}${likeliest}"` : inGroups.get(likeliest);
  const all = known.map((one) => group + one).join(", ");
  return meant === undefined
    ? `unknown option: the options are ${all}`
    : `unknown option: did you mean ${meant}? The options are ${all}`;
}
