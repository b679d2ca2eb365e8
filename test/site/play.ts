/** Plays pages of the documentation from top to bottom, as a reader would who types each block and believes no sentence. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { type Block, type Check, type Page, type Part, readPage } from "./markdown.js";
import { asUrl, CLI, HOME, type Program, Programs } from "./programs.js";
import { closeBrowser, createScope, Skipped } from "./scope.js";

/** In the repository, so that the pages' programs find `sendall` and everything that it is developed with. */
const PAGES = fileURLToPath(new URL("./.pages/", import.meta.url));
mkdirSync(PAGES, { recursive: true });
/** Of this test file alone: others run at the same time. */
const FOLDER = mkdtempSync(PAGES);
const BIN = join(FOLDER, "bin");
const PROGRAMS = new Set(["js", "ts"]);
const FILES = new Set([
  "js",
  "ts",
  "jsx",
  "tsx",
  "html",
  "css",
  "json",
  "yaml",
  "nginx",
  "caddyfile",
  "dockerfile",
  "ini",
  "txt",
  "http",
  "sql",
]);
/** Commands for what the tests cannot have: a page's own checks say what can be said of these. */
const ONLY_SHOWN = [
  "docker",
  "kubectl",
  "systemctl",
  "journalctl",
  "sudo",
  "git",
  "apt",
  "apt-get",
  "caddy",
  "nginx",
  "brew",
  "deno",
  "bun",
  "bunx",
  "wscat",
  "ab",
  "openssl",
];
const isTest = ({ code }: { code: string }): boolean => /from "(vitest|@jest\/globals|node:test)"/.test(code);
const runsInVitest = ({ code }: { code: string }): boolean => code.includes(`from "vitest"`);

function makeBin(): void {
  if (existsSync(BIN)) return;
  mkdirSync(BIN);
  // Pages with a package.json of their own are packages of their own.
  mkdirSync(join(FOLDER, "node_modules"));
  // `npx vitest run` looks upwards for a configuration, and must not find the repository's.
  writeFileSync(join(FOLDER, "vitest.config.js"), "export default {};\n");
  symlinkSync(HOME, join(FOLDER, "node_modules/sendall"), "dir");
  // In place of the repository's own, which vitest would find above a page's folder.
  writeFileSync(join(FOLDER, "vitest.config.js"), "export default {};\n");
  const commands: Record<string, string> = {
    sendall: `exec node "${CLI}" "$@"`,
    npx: `while [ "$1" = --yes ] || [ "$1" = -y ]; do shift; done; exec "$@"`,
    npm: `exec node "${fileURLToPath(new URL("./shims/npm.js", import.meta.url))}" "$@"`,
    ...Object.fromEntries(ONLY_SHOWN.map((name) => [name, "exit 0"])),
  };
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(join(BIN, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(BIN, name), 0o755);
  }
}

/** The player of one page. */
class Player {
  readonly page: Page;
  readonly folder: string;
  readonly #programs: Programs;
  readonly #files = new Map<string, string>();
  readonly #scope: ReturnType<typeof createScope>;
  /** What has run last, for a block of output. */
  #ran: Program[] = [];
  #previous: Block | undefined;
  /** Programs that end by themselves while the page goes on. */
  readonly #endings = new Map<Block, Promise<void>>();
  #steps = 0;

  constructor(page: Page) {
    this.page = page;
    this.folder = join(FOLDER, page.path.replaceAll("/", "-"));
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
    makeBin();
    this.#programs = new Programs(this.folder, BIN, page.parts.map(({ code }) => code).join("\n"));
    this.#scope = createScope(this.folder, this.#programs, { rewrite: () => this.#rewrite() });
  }

  async play(): Promise<void> {
    try {
      for (const part of this.page.parts) {
        await this.#at(part, () => (part.kind === "check" ? this.#check(part) : this.#block(part)));
      }
      for (const [part, ending] of this.#endings) await this.#at(part, () => ending);
      await this.#programs.haveNotFailed();
    } finally {
      await this.#scope.close();
      await this.#programs.killAll();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  async #at(part: Part, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (error instanceof Skipped) return;
      const place = `${this.page.path}.md:${part.line}`;
      if (error instanceof Error) error.message = `${place}: ${error.message}`;
      throw error;
    }
  }

  async #block(block: Block): Promise<void> {
    const { language, name, code } = block;
    const ran = this.#ran;
    if (language === "mermaid") return;
    if (name !== undefined) {
      expect([...FILES, "sh"], "the language of a file").toContain(language);
      this.#write(name, code);
    } else if (PROGRAMS.has(language)) {
      if (!isTest(block)) await this.#run(block);
      else if (!runsInVitest(block)) await this.#runTests(block);
    } else if (language === "sh") await this.#shell(code);
    else if (language === "txt" && this.#previous !== undefined && ran.length > 0) await this.#output(block);
    else if (!this.#isChecked(block)) {
      throw new Error(`a block of "${language}" without a name needs a check after it that uses "code"`);
    }
    this.#previous = block;
  }

  #isChecked(block: Block): boolean {
    const next = this.page.parts[this.page.parts.indexOf(block) + 1];
    return next?.kind === "check" && /\bcode\b/.test(next.code);
  }

  #write(name: string, code: string): void {
    this.#files.set(name, code);
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, this.#programs.translateNow(code));
  }

  /** After a program has opened a port: what was written before may name it. */
  #rewrite(): void {
    for (const [name, code] of this.#files) {
      const translated = this.#programs.translateNow(code);
      if (translated !== code) writeFileSync(join(this.folder, name), translated);
    }
  }

  async #run(block: Block): Promise<void> {
    const { language, code } = block;
    const file = join(this.folder, `block-${++this.#steps}.m${language}`);
    writeFileSync(file, await this.#programs.translate(code));
    const program = await this.#programs.start(process.execPath, [file]);
    this.#rewrite();
    this.#ran = [program];
    const ending = this.#succeeds(program, /^(await )?[\w.]+\.close\(/m.test(code));
    ending.catch(() => {});
    this.#endings.set(block, ending);
  }

  /** What has not ended with the page is stopped, unless its code says that it ends. */
  async #succeeds(program: Program, ends: boolean): Promise<void> {
    if (!program.isOver && !ends) return;
    const code = await program.exited;
    if (code !== 0) throw new Error(`it ended with ${code}:\n${program.output}`);
  }

  async #runTests({ language, code }: Block): Promise<void> {
    const file = `block-${++this.#steps}.test.${language}`;
    writeFileSync(join(this.folder, file), code);
    const runner = code.includes("@jest/globals")
      ? [`${HOME}node_modules/jest/bin/jest.js`, "--rootDir=."]
      : ["--test"];
    const env = { NODE_OPTIONS: "--experimental-vm-modules" };
    const program = this.#programs.spawn(process.execPath, [...runner, file], runner.length === 1 ? {} : env);
    await this.#succeeds(program, true);
  }

  async #shell(code: string): Promise<void> {
    this.#ran = [];
    const lines = code.replaceAll(/\\\n\s*/g, "").split("\n");
    for (const raw of lines) {
      const line = raw
        .replace(/(^|\s)#.*$/, "")
        .replace(/\s*&\s*$/, "")
        .trim();
      if (line === "") continue;
      // What serves goes on; everything else ends.
      const serves =
        /^(\w+=\S+ )*(node|npx (sendall serve|tsx)|sendall serve)\b/.test(line) &&
        !/\||--test\b|--check\b|--help\b/.test(line);
      // A server opens the ports that its own line names.
      const text = serves ? this.#programs.translateNow(line) : await this.#programs.translate(line);
      const program = serves
        ? await this.#programs.start("sh", ["-c", text])
        : this.#programs.spawn("sh", ["-c", text]);
      this.#ran.push(program);
      if (serves) this.#rewrite();
      await this.#succeeds(program, !serves);
    }
  }

  async #output({ shown }: Block): Promise<void> {
    for (const line of this.#programs.translateNow(shown).split("\n")) {
      const text = line.trim();
      if (text === "" || text === "…") continue;
      const pattern = new RegExp(
        text
          .split("…")
          .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
          .join(".*"),
      );
      const ready = this.#ran.find(({ output }) => pattern.test(output)) ?? this.#ran.findLast(({ isOver }) => !isOver);
      if (ready === undefined)
        throw new Error(`"${text}" is not in the output:\n${this.#ran.map(({ output }) => output).join("\n")}`);
      await ready.prints(pattern);
    }
  }

  async #check({ code }: Check): Promise<void> {
    const file = join(this.folder, `check-${++this.#steps}.mjs`);
    const names = Object.keys(this.#scope.scope).filter((name) => name !== "program");
    writeFileSync(
      file,
      `export default async (scope, code) => {\nconst { ${names.join(", ")} } = scope;\nconst program = scope.lastProgram();\n${code}\n};\n`,
    );
    const { scope } = this.#scope;
    const lastProgram = (): Program | undefined => this.#programs.last;
    const { default: run } = await import(/* @vite-ignore */ asUrl(file));
    await run(
      { ...Object.fromEntries(names.map((name) => [name, Reflect.get(scope, name)])), lastProgram },
      this.#previous?.shown ?? "",
    );
  }
}

/** A file that nothing on the page uses is no example of anything. */
function unusedFiles({ parts }: Page): string[] {
  return parts.flatMap((part, i) => {
    if (part.kind === "check" || part.name === undefined || runsInVitest(part)) return [];
    const base = part.name.split("/").at(-1) ?? "";
    const stem = base.replace(/\.\w+$/, "");
    const others = [...parts.slice(i + 1), ...parts.slice(0, i)];
    const isUsed =
      others.some(({ code }) => code.includes(base) || code.includes(`/${stem}`)) ||
      base === "package.json" ||
      base === "tsconfig.json" ||
      base === "index.html";
    return isUsed ? [] : [`line ${part.line}: ${part.name}`];
  });
}

/** The tests that a page shows run as tests of ours, each as the file that a reader would make of it. */
async function collectTests(page: Page): Promise<void> {
  const shows = page.parts.filter((part) => part.kind === "block" && runsInVitest(part));
  if (shows.length === 0) return;
  const folder = join(FOLDER, `tests-${page.path.replaceAll("/", "-")}`);
  for (const part of page.parts) {
    if (part.kind === "check" || (part.name === undefined && !runsInVitest(part))) continue;
    const name = part.name ?? `line-${part.line}.test.${part.language}`;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), part.code);
    if (runsInVitest(part)) await import(/* @vite-ignore */ asUrl(join(folder, name)));
  }
}

/** Tests for each of the pages; called while tests are collected. */
export async function playPages(pages: readonly Page[]): Promise<void> {
  afterAll(async () => {
    await closeBrowser();
    rmSync(FOLDER, { recursive: true, force: true });
  });
  for (const page of pages) {
    await describe(`the page ${page.path}`, async () => {
      test("uses each file that it shows", () => expect(unusedFiles(page)).toEqual([]));
      if (page.playedBy !== undefined) {
        test(`is played by ${page.playedBy}`, () => {
          expect(readFileSync(join(HOME, page.playedBy ?? ""), "utf8")).toContain(page.path);
        });
        return;
      }
      if (page.parts.length > 0) test("holds what it says", () => new Player(page).play());
      await collectTests(page);
    });
  }
}

/** Runs code blocks that stand on no page, such as those of TSDoc. */
export function playBlocks(
  name: string,
  blocks: readonly { readonly language: string; readonly code: string }[],
): Promise<void> {
  const parts: Block[] = blocks.map(({ language, code }, i) => ({
    kind: "block",
    line: i + 1,
    language,
    name: undefined,
    code,
    shown: code,
  }));
  return playPages([{ path: name, parts, playedBy: undefined }]);
}

const DOCS = new URL("../../docs/", import.meta.url);

export function pageOf(path: string): Page {
  return readPage(path, path === "README" ? new URL("../README.md", DOCS) : new URL(`${path}.md`, DOCS));
}
