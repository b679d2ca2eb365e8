// @ts-check
// What the chat's command line may say: `--store sqlite:chat.db` keeps the rooms in a file.
import { parseArgs } from "node:util";
import { sqlite } from "sendall/sqlite";

const FOUR_WEEKS_MS = 4 * 7 * 86_400_000;
const EXPECTED = "expected --store sqlite:FILE, such as --store sqlite:chat.db";

/**
 * How the chat keeps what was said: options of `history`.
 * @param {readonly string[]} args @returns {Partial<import("sendall").HistoryOptions>}
 * @throws {RangeError} for arguments that say something else
 */
export function readHistory(args) {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { store: { type: "string" } },
    allowPositionals: true,
    strict: false,
  });
  const { store, ...others } = values;
  const [unknown] = [
    ...Object.keys(others).map((name) => (name.length > 1 ? `--${name}` : `-${name}`)),
    ...positionals,
  ];
  if (unknown !== undefined) throw new RangeError(`${unknown}: ${EXPECTED}, or nothing`);
  if (store === undefined) return {};
  const [, file] = /^sqlite:(.+)$/.exec(String(store)) ?? [];
  if (file === undefined) throw new RangeError(`--store${store === true ? "" : ` ${store}`}: ${EXPECTED}`);
  // What outlives a restart is worth being kept for longer.
  return { store: sqlite({ file }), maxAgeMs: FOUR_WEEKS_MS };
}
