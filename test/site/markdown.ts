/** What a page of the documentation asks the tests to play: its code blocks, and the hidden comments that frame and check them. */
import { readFileSync } from "node:fs";
import MarkdownIt from "markdown-it";

/** A fenced block. `code` stands within its frame already. */
export interface Block {
  readonly kind: "block";
  readonly line: number;
  readonly language: string;
  /** The file's name in brackets, if it has one. */
  readonly name: string | undefined;
  readonly code: string;
  /** As the reader sees the block, without the frame. */
  readonly shown: string;
}

/** JavaScript that makes the prose around it true. */
export interface Check {
  readonly kind: "check";
  readonly line: number;
  readonly code: string;
}

export type Part = Block | Check;

export interface Page {
  /** `guides/rooms-and-users`, as in the address. */
  readonly path: string;
  readonly parts: readonly Part[];
  /** Another test that plays the page's blocks, as a path from the root of the repository. */
  readonly playedBy: string | undefined;
}

const parser = new MarkdownIt({ html: true });
const HOLE = /^[ \t]*\/\/ here[ \t]*$/m;

/** Throws an error that names the page and the line if a comment or a fence cannot be understood. */
export function readPage(path: string, file: string | URL): Page {
  return parsePage(path, readFileSync(file, "utf8"));
}

export function parsePage(path: string, text: string): Page {
  // Front matter is no Markdown; lines keep their numbers.
  const source = text.replace(/^---\n[\s\S]*?\n---\n/, (matter) => matter.replaceAll(/[^\n]/g, ""));
  const parts: Part[] = [];
  let playedBy: string | undefined;
  let frame: string | undefined;
  for (const token of parser.parse(source, {})) {
    const line = (token.map?.[0] ?? 0) + 1;
    const fail = (message: string): never => {
      throw new Error(`${path}.md:${line}: ${message}`);
    };
    if (token.type === "fence") {
      const [, language = "", , name] = /^(\w*)(\s+\[([^\]]+)\])?/.exec(token.info) ?? [];
      if (frame !== undefined && !HOLE.test(frame)) fail(`the frame before the block has no line "// here"`);
      const code = frame === undefined ? token.content : frame.replace(HOLE, () => token.content.trimEnd());
      parts.push({ kind: "block", line, language, name, code, shown: token.content });
      frame = undefined;
    } else if (token.type === "html_block") {
      for (const [, word = "", body = ""] of token.content.matchAll(/<!--\s*(frame|check|played by)\s([\s\S]*?)-->/g)) {
        if (frame !== undefined) fail("a frame has to stand right before its block");
        if (word === "frame") frame = body;
        else if (word === "check") parts.push({ kind: "check", line, code: body });
        else playedBy = body.trim();
      }
    }
  }
  return { path, parts, playedBy };
}
