/** The documentation's code compiles: TypeScript as a strict project has it, JavaScript as an editor checks it. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { compile } from "../compiling.js";
import { allPages, pageOf } from "./all-pages.js";
import type { Block } from "./markdown.js";

const CODE = /^(js|ts|jsx|tsx)$/;

/** The files of all pages, each page in a folder; where a page replaces a file, a new folder begins with what there is so far. */
function filesOf(path: string): Record<string, string> {
  const all: Record<string, string> = {};
  let current: Record<string, string> = {};
  let version = 1;
  const folder = (): string => `${path.replaceAll("/", "-")}-${version}`;
  const page = pageOf(path);
  if (page.playedBy !== undefined) return {};
  const blocks = page.parts.filter((part): part is Block => part.kind === "block" && CODE.test(part.language));
  for (const { name, line, language, code } of blocks) {
    // Pages in a browser import what the server serves.
    if (name?.startsWith("public/")) continue;
    const file = name ?? `line-${line}.${language}`;
    if (file in current) {
      version++;
      current = Object.fromEntries(Object.entries(current).filter(([other]) => !other.startsWith("line-")));
    }
    current[file] = code;
    for (const [other, text] of Object.entries(current)) all[`${folder()}/${other}`] = text;
  }
  return all;
}

const files = Object.assign({}, ...["README", ...allPages()].map(filesOf));
const pick = (pattern: RegExp): string[] => Object.keys(files).filter((name) => pattern.test(name));
const declarations = (name: string): string[] => [fileURLToPath(new URL(`../../dist/${name}.d.ts`, import.meta.url))];
/** As the readers have them: the declarations of the package, in a project that also knows browsers. */
const COMMON = {
  lib: ["ES2023", "ESNext.Disposable", "DOM", "DOM.Iterable"],
  jsx: "react-jsx",
  noUnusedLocals: false,
  paths: { sendall: declarations("index"), "sendall/*": declarations("*") },
};

test("the TypeScript of the pages compiles under strict settings", async () => {
  const output = await compile(files, pick(/\.tsx?$/), { ...COMMON, checkJs: false });
  expect(output).toBe("");
});

test("the JavaScript of the pages has no mistake that an editor would underline", async () => {
  const output = await compile(files, pick(/\.jsx?$/), {
    ...COMMON,
    noImplicitAny: false,
    useUnknownInCatchVariables: false,
    noImplicitReturns: false,
    noUncheckedIndexedAccess: false,
    exactOptionalPropertyTypes: false,
  });
  expect(output).toBe("");
});
