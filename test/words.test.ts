/**
 * The sources stay readable (CONTRIBUTING.md, "Rules of the house"): a file has at most 300 lines, and comments name their subjects.
 * Pronouns such as "it" and "they" are counted, because a comment full of pronouns has to be read twice. Biome holds the length of functions.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const MAX_LINES = 300;
/** Express, ws, pino, fastify, nats.js and xstate have 14 to 46 of these words in 1,000 words of comments. */
const MAX_PER_THOUSAND = 50;
/** A room with fewer words of comments is not measured: one sentence would decide. */
const MIN_WORDS = 40;

const COUNTED = new Set(
  "it its they them their one ones other others whoever who whom nobody somebody everybody those these this that all".split(
    " ",
  ),
);

/** Strings are matched as well, so that the address in a string is not read as a comment. */
const TOKEN = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|(?<comment>\/\*[\s\S]*?\*\/|\/\/[^\n]*)/g;

interface Count {
  readonly words: number;
  readonly counted: number;
}

function readWords(source: string): string[] {
  const comments = [...source.matchAll(TOKEN)].map(({ groups }) => groups?.comment ?? "");
  return comments.flatMap((comment) => comment.toLowerCase().match(/[a-z']+/g) ?? []);
}

function count(sources: readonly string[]): Count {
  const words = sources.flatMap(readWords);
  return { words: words.length, counted: words.filter((word) => COUNTED.has(word)).length };
}

function perThousand({ words, counted }: Count): number {
  return Math.round((1_000 * counted) / Math.max(words, 1));
}

const src = fileURLToPath(new URL("../src", import.meta.url));
const sources: ReadonlyMap<string, string> = new Map(
  readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => [path.replaceAll("\\", "/"), readFileSync(`${src}/${path}`, "utf8")]),
);
const rooms = new Set(
  [...sources.keys()].filter((path) => path.includes("/")).map((path) => path.slice(0, path.indexOf("/"))),
);

/** The files of a room with the most pronouns, for the message of a failure. */
function densest(files: readonly (readonly [path: string, source: string])[]): string {
  const counts = files.map(([path, source]) => ({ path, ...count([source]) }));
  const worst = counts.sort((a, b) => b.counted - a.counted).slice(0, 5);
  return worst.map(({ path, words, counted }) => `src/${path}: ${counted} in ${words} words`).join("\n");
}

describe("the sources", () => {
  test(`have at most ${MAX_LINES} lines in a file`, () => {
    const long = [...sources]
      .map(([path, source]) => ({ path, lines: source.split("\n").length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES);
    expect(long.map(({ path, lines }) => `src/${path}: ${lines} lines`)).toEqual([]);
  });

  test(`have at most ${MAX_PER_THOUSAND} pronouns in 1,000 words of comments`, () => {
    expect(perThousand(count([...sources.values()]))).toBeLessThanOrEqual(MAX_PER_THOUSAND);
  });

  test.each([...rooms])(
    `have at most ${MAX_PER_THOUSAND} pronouns in 1,000 words of comments in the room %s`,
    (room) => {
      const files = [...sources].filter(([path]) => path.startsWith(`${room}/`));
      const total = count(files.map(([, source]) => source));
      const pronouns = total.words < MIN_WORDS ? 0 : perThousand(total);
      expect(pronouns, densest(files)).toBeLessThanOrEqual(MAX_PER_THOUSAND);
    },
  );
});

describe("the count of words", () => {
  test.each([
    ["// It rings once for all of them.", { words: 7, counted: 3 }],
    ["/**\n * Who asks,\n * and whom.\n */", { words: 4, counted: 2 }],
    ['const url = "http://it.is/this"; // a page', { words: 2, counted: 0 }],
    ["const it = this.one;", { words: 0, counted: 0 }],
  ])("reads comments alone: %j", (source, expected) => {
    expect(count([source])).toEqual(expected);
  });
});
