/**
 * `sendall serve --watch`: runs the command as a child process and starts it anew when a file that it has loaded changes. Node's
 * own watch mode follows inodes on Linux, so that it is blind after the first file that is saved by a rename.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { type FSWatcher, statSync, watch as watchFolder } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock, Timer } from "../runtime/clock.js";
import { ENDING_MS, exitCodeOf } from "./ending.js";
import { complain } from "./exit.js";

/** Node's loaders, also those of TypeScript, tell a parent process that sets this which files they read. */
const REPORT = "WATCH_REPORT_DEPENDENCIES";

/** In the child: what Node's loaders do not tell, as Node 22 of a module that does not parse. */
export function watchAlso(paths: readonly string[]): void {
  if (isWatched()) process.send?.({ "watch:require": paths });
}

/** In the child: a watcher that was killed would leave it behind, and its port taken. */
export function endWithWatcher(end: () => void): void {
  if (isWatched()) process.once("disconnect", end);
}

function isWatched(): boolean {
  return process.env[REPORT] !== undefined && process.connected;
}

/** From an event to the look at the files: an editor saves in several steps. */
const QUIET_MS = 100;
/**
 * How often the files are looked at without any event. Folders tell of nothing that happens behind a symbolic link, in a mount
 * of another machine, or after they were themselves replaced.
 */
const LOOK_MS = 1_000;

interface FileState {
  /** Differs from that of an earlier state, and of a file that has taken this one's place; `""` if there is no file. */
  readonly mark: string;
  /** When it was written, or put in its place. */
  readonly changedAt: number;
}

/** Follows symbolic links. */
function stateOf(path: string): FileState {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    return { mark: [dev, ino, size, mtimeMs, ctimeMs].join(" "), changedAt: Math.max(mtimeMs, ctimeMs) };
  } catch {
    return { mark: "", changedAt: 0 };
  }
}

/** The paths in a report of the child: of CommonJS as they are, of ES modules as addresses, also of modules that are no files. */
function readReport(message: unknown): readonly string[] {
  if (typeof message !== "object" || message === null) return [];
  const lists = ["watch:require", "watch:import"].map((name) => Reflect.get(message, name));
  return lists
    .flatMap((list: unknown) => (Array.isArray(list) ? list : []))
    .flatMap((one: unknown) => {
      if (typeof one !== "string" || one === "") return [];
      if (one.startsWith("file:")) return [fileURLToPath(one)];
      return one.includes("\0") || /^[a-z]{2,}:/.test(one) ? [] : [one];
    });
}

export interface WatcherParts {
  /** The script and its arguments. */
  readonly command: readonly string[];
  /** The handler's file: its path may be a symbolic link, which the loaders do not tell. */
  readonly file: string | undefined;
  readonly clock: Clock;
}

export class Watcher {
  readonly #parts: WatcherParts;
  /** By path, the mark of the file that the child has read. */
  readonly #files = new Map<string, string>();
  readonly #folders = new Map<string, FSWatcher>();
  #child: ChildProcess | undefined;
  #timer: Timer | undefined;
  #isSoon = false;
  #deadline: Timer | undefined;
  #isRestarting = false;
  /** A signal has come for this process. */
  #hasSignal = false;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
  }

  run(): void {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => this.#onSignal(signal));
    this.#start();
    this.#lookLater();
  }

  #start(): void {
    const { command, file } = this.#parts;
    // A folder may be another one by now.
    for (const folder of [...this.#folders.keys()]) this.#forget(folder);
    for (const path of this.#files.keys()) this.#add(path);
    if (file !== undefined) this.#add(file);
    const startedAt = this.#parts.clock.now();
    const child = spawn(process.execPath, [...process.execArgv, ...command], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      env: { ...process.env, [REPORT]: "1" },
      // A process group of its own: a Ctrl-C in the terminal would reach everybody in ours, and be passed on a second time.
      detached: process.platform !== "win32",
    });
    this.#child = child;
    child.on("message", (message) => {
      for (const path of readReport(message)) if (!this.#files.has(path)) this.#addNew(path, startedAt);
    });
    child.once("error", complain);
    child.once("exit", (code, signal) => this.#onExit(code, signal));
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#child = undefined;
    this.#deadline?.cancel();
    // A signal ends a child that does not listen yet, which is what was asked for.
    if (this.#hasSignal) process.exit(signal === null ? (code ?? 1) : signal === "SIGKILL" ? 1 : 0);
    if (this.#isRestarting) {
      this.#isRestarting = false;
      this.#start();
    } else process.stderr.write("sendall: waiting for a change\n");
  }

  /** Not left to the child, which the handler's code may block: the second signal leaves at once. */
  #onSignal(signal: NodeJS.Signals): void {
    if (this.#hasSignal) {
      this.#child?.kill("SIGKILL");
      process.exit(exitCodeOf(signal));
    }
    this.#hasSignal = true;
    if (this.#child === undefined) process.exit(0);
    // A child that drains already would take this for the second signal.
    if (!this.#isRestarting) this.#end(this.#child, signal === "SIGHUP" ? "SIGTERM" : signal);
  }

  #end(child: ChildProcess, signal: NodeJS.Signals): void {
    child.kill(signal);
    this.#deadline = this.#parts.clock.after(ENDING_MS, () => child.kill("SIGKILL"));
  }

  /** The child may have read another state of the file before its report came: then it has to read it again. */
  #addNew(path: string, startedAt: number): void {
    const { changedAt } = this.#add(path);
    if (changedAt <= startedAt) return;
    this.#files.set(path, "");
    this.#onEvent();
  }

  #add(path: string): FileState {
    const state = stateOf(path);
    this.#files.set(path, state.mark);
    this.#watch(dirname(path));
    return state;
  }

  #watch(folder: string): void {
    if (this.#folders.has(folder)) return;
    try {
      const watcher = watchFolder(folder, this.#onEvent);
      watcher.on("error", () => this.#forget(folder));
      this.#folders.set(folder, watcher);
    } catch {
      // There is no such folder, or the system watches no more: looking finds the change, only later.
    }
  }

  #forget(folder: string): void {
    this.#folders.get(folder)?.close();
    this.#folders.delete(folder);
  }

  /** Looks soon, also where a log file in the same folder never rests. */
  readonly #onEvent = (): void => {
    if (this.#isSoon) return;
    this.#isSoon = true;
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(QUIET_MS, () => this.#look());
  };

  #lookLater(): void {
    this.#isSoon = false;
    this.#timer = this.#parts.clock.after(LOOK_MS, () => {
      if (this.#changed() === undefined) this.#lookLater();
      else this.#onEvent();
    });
  }

  #look(): void {
    const path = this.#changed();
    this.#lookLater();
    if (path !== undefined && !this.#hasSignal && !this.#isRestarting) this.#restart(path);
  }

  /** A file that is not there is being saved, or of no use any more: nothing would be gained by starting without it. */
  #changed(): string | undefined {
    for (const [path, before] of this.#files) {
      const { mark } = stateOf(path);
      if (mark !== before && mark !== "") return path;
    }
    return undefined;
  }

  #restart(path: string): void {
    process.stderr.write(`sendall: ${relative("", path)} has changed\n`);
    if (this.#child === undefined) this.#start();
    else {
      this.#isRestarting = true;
      this.#end(this.#child, "SIGTERM");
    }
  }
}
