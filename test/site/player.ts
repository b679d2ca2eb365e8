/** Plays a page of the documentation from top to bottom, as a reader would who types each block and believes no sentence. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { Block, Check, Page, Part } from "./markdown.js";
import { asUrl, HOME, type Program, Programs } from "./programs.js";
import { createScope, Skipped } from "./scope.js";
import type { Workplace } from "./workplace.js";

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
/** Whether a block is a test, of any runner. */
const isTest = ({ code }: { code: string }): boolean => /from "(vitest|@jest\/globals|node:test)"/.test(code);
/** Such a block runs as a test of ours. */
export const runsInVitest = ({ code }: { code: string }): boolean => code.includes(`from "vitest"`);

function showsTypeScript(part: Part): boolean {
  return part.kind === "block" && (part.language === "ts" || /\.m?ts$/.test(part.name ?? ""));
}

/** The player of one page. */
export class Player {
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

  constructor(page: Page, { folder, bin }: Workplace) {
    this.page = page;
    this.folder = join(folder, page.path.replaceAll("/", "-"));
    mkdirSync(this.folder);
    const text = page.parts.map(({ code }) => code).join("\n");
    this.#programs = new Programs(this.folder, bin, text, { hasTypeScript: page.parts.some(showsTypeScript) });
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
