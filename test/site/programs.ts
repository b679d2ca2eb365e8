/** Programs and commands of the documentation, run as a reader would run them. */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { delimiter } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const HERE = new URL("./", import.meta.url);
const ROOT = fileURLToPath(new URL("../../", HERE));
const LISTENING = `--import=${new URL("listen-anywhere.js", HERE)}`;
const TYPESCRIPT = `--import=${new URL("read-typescript.js", HERE)}`;
const MARK = /^\[listens (\d+) (\d+)\]$/gm;
/** How long a port that a page names may take to be opened by a program that runs. */
const DEADLINE_MS = 30_000;

export interface RunOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The program ends with an error, which the check looks at. */
  readonly fails?: boolean;
}

/** Groups that run: a worker of the tests that ends early takes them along. */
const running = new Set<number>();
process.on("exit", () => {
  for (const pid of running) killGroup(pid, "SIGKILL");
});

/** @returns `false` for a group that has ended, which may be so before the event that tells of the end */
function killGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    return false;
  }
}

export class Program {
  /** What the program has printed, on both streams. */
  output = "";
  /** Of the port that was opened first. */
  url = "";
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;
  readonly #news: EventEmitter;
  readonly ports = new Map<number, number>();
  isOver = false;
  /** Whether the program was stopped, in place of ending by itself. */
  isStopped = false;
  /** A check reads the code itself. */
  isExpectedToFail = false;

  constructor(child: ChildProcess, news: EventEmitter) {
    this.#child = child;
    this.#news = news;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (chunk: string) => this.#hear(chunk));
    }
    const { pid } = child;
    if (pid !== undefined) running.add(pid);
    // "close" comes after the last output, "exit" may come before.
    this.exited = once(child, "close").then(([code, signal]) => {
      this.isOver = true;
      if (pid !== undefined) running.delete(pid);
      news.emit("news");
      return code ?? (signal === null ? 0 : 1);
    });
  }

  #hear(chunk: string): void {
    this.output += chunk;
    for (const [line, asked, opened] of this.output.matchAll(MARK)) {
      this.ports.set(Number(asked), Number(opened));
      this.url ||= `ws://127.0.0.1:${opened}`;
      this.output = this.output.replace(`${line}\n`, "").replace(line, "");
    }
    this.#news.emit("news");
  }

  /** Waits until the program listens or ends. */
  async isUp(): Promise<void> {
    while (this.url === "" && !this.isOver) await once(this.#news, "news");
  }

  /** Waits until the program listens at each of the ports, as it calls them. */
  async opens(...ports: readonly number[]): Promise<void> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (!ports.every((port) => this.ports.has(port))) {
      if (this.isOver || deadline.aborted) throw new Error(`${ports.join(", ")} are not all open:\n${this.output}`);
      await once(this.#news, "news", { signal: deadline }).catch(() => {});
    }
  }

  /** The port that was opened in the place of the one that the program asks for. */
  async port(asked: number): Promise<number | undefined> {
    await this.opens(asked);
    return this.ports.get(asked);
  }

  /** Waits until the output has the text. */
  async prints(pattern: RegExp | string): Promise<void> {
    const has = (): boolean =>
      typeof pattern === "string" ? this.output.includes(pattern) : pattern.test(this.output);
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (!has()) {
      if (this.isOver || deadline.aborted) throw new Error(`${pattern} is not in the output:\n${this.output}`);
      await once(this.#news, "news", { signal: deadline }).catch(() => {});
    }
  }

  /** The whole group: a shell, and what the shell has started. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    const { pid } = this.#child;
    if (!this.isOver && pid !== undefined && killGroup(pid, signal)) this.isStopped = true;
    return this.exited;
  }

  async kill(): Promise<void> {
    await this.stop("SIGKILL");
  }
}

/** The programs of one page. */
export class Programs {
  readonly #folder: string;
  readonly #bin: string;
  readonly #programs: Program[] = [];
  readonly #news = new EventEmitter().setMaxListeners(0);

  readonly #text: string;
  readonly #nodeOptions: string;

  /** `bin` holds the commands that are not run as they are; `text` is the page's code, whose ports are meant. */
  constructor(folder: string, bin: string, text: string, { hasTypeScript }: { readonly hasTypeScript: boolean }) {
    this.#folder = folder;
    this.#bin = bin;
    this.#text = text;
    this.#nodeOptions = hasTypeScript ? `${LISTENING} ${TYPESCRIPT}` : LISTENING;
  }

  /** Starts a program, and waits until it listens or ends. */
  async start(command: string, args: readonly string[], env: RunOptions["env"] = {}): Promise<Program> {
    const program = this.spawn(command, args, env);
    await program.isUp();
    // A reader stops the old server before the next one takes its port.
    for (const other of this.#programs) {
      if (other !== program && [...program.ports.keys()].some((port) => port !== 0 && other.ports.has(port)))
        await other.kill();
    }
    return program;
  }

  spawn(command: string, args: readonly string[], env: RunOptions["env"] = {}): Program {
    const { PATH = "", ...others } = process.env;
    // What vitest says of itself would reach the programs, and turn off their logs and colors.
    const inherited = Object.fromEntries(
      Object.entries(others).filter(([name]) => !/^(VITEST|NODE_ENV|TEST$|FORCE_COLOR)/.test(name)),
    );
    const child = spawn(command, args, {
      cwd: this.#folder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...inherited,
        PATH: [this.#bin, `${ROOT}node_modules/.bin`, PATH, "/usr/sbin"].join(delimiter),
        NODE_OPTIONS: this.#nodeOptions,
        NO_COLOR: "1",
        ...env,
      },
    });
    const program = new Program(child, this.#news);
    this.#programs.push(program);
    return program;
  }

  /** Replaces the ports of this machine that the text names by those that programs have opened in their place. */
  async translate(text: string): Promise<string> {
    const ports = Array.from(text.matchAll(/\b(?:localhost|127\.0\.0\.1):(\d+)/g), ([, port]) => Number(port));
    const named = new Set(ports.filter((port) => new RegExp(`\\b${port}\\b`).test(this.#text)));
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const isWaiting = (port: number): boolean => !this.#opened(port) && this.#programs.some(({ isOver }) => !isOver);
    while ([...named].some(isWaiting)) {
      if (deadline.aborted)
        throw new Error(`no program of the page listens at one of the ports ${[...named].join(", ")}`);
      await once(this.#news, "news", { signal: deadline }).catch(() => {});
    }
    return this.translateNow(text);
  }

  translateNow(text: string): string {
    return text.replaceAll(/\b(localhost|127\.0\.0\.1):(\d+)/g, (all, host: string, port: string) => {
      // Where a program has ended, its port is closed; the one that it asked for may be open, for somebody else.
      const opened = this.#opened(Number(port)) ?? this.#closed(Number(port));
      return opened === undefined ? all : `${host}:${opened}`;
    });
  }

  #opened(port: number): number | undefined {
    return this.#programs.findLast(({ ports, isOver }) => !isOver && ports.has(port))?.ports.get(port);
  }

  #closed(port: number): number | undefined {
    return this.#programs.findLast(({ ports }) => ports.has(port))?.ports.get(port);
  }

  get last(): Program | undefined {
    return this.#programs.findLast(({ url }) => url !== "");
  }

  /** Throws if a program has ended with an error, of itself. */
  async haveNotFailed(): Promise<void> {
    for (const program of this.#programs) {
      if (!program.isOver || program.isStopped || program.isExpectedToFail) continue;
      const code = await program.exited;
      if (code !== 0) throw new Error(`a program ended with ${code}:\n${program.output}`);
    }
  }

  async killAll(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill()));
  }
}

export const CLI: string = fileURLToPath(new URL("../../dist/cli.js", HERE));
export const HOME: string = ROOT;
export const asUrl = (path: string): string => pathToFileURL(path).href;
