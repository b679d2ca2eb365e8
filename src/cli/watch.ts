/**
 * `sendall serve --watch`: runs the command as a child process, and restarts the child when a loaded file changes. Node's own watch mode
 * follows inodes on Linux, and misses every change after the first save by a rename. The watcher lasts until a signal.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { type FSWatcher, statSync, watch as watchFolder } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock, Timer } from "../runtime/clock.js";
import { exitCodeOf, exitWithError } from "./exit.js";
import { SHUTDOWN_MS } from "./process-shutdown.js";

/** In a child with this variable, Node's loaders (of TypeScript, too) report each file that is read to the parent process. */
const REPORT = "WATCH_REPORT_DEPENDENCIES";

/**
 * In the child: reports files which Node's loaders leave out, such as a module that does not parse (Node 22). Resolves when every earlier
 * report has left, too: a child that exits before would lose the reports, and the watcher would wait for no change of these files.
 */
export async function reportFiles(paths: readonly string[]): Promise<void> {
  if (!isWatched()) return;
  await new Promise<void>((resolve) => {
    process.send?.({ "watch:require": paths }, undefined, undefined, () => resolve());
  });
}

/** In the child: shuts down after a watcher that was killed, which would otherwise leave the child behind and the port in use. */
export function shutDownWithWatcher(shutDown: () => void): void {
  if (isWatched()) process.once("disconnect", shutDown);
}

function isWatched(): boolean {
  return process.env[REPORT] !== undefined && process.connected;
}

/** The time between an event and the check of the files: an editor saves in several steps. */
const SETTLE_MS = 100;
/**
 * How often the files are checked without an event. A watched folder reports no change behind a symbolic link, in a mount of another
 * machine, or after the folder itself was replaced.
 */
const POLL_MS = 1_000;

interface FileState {
  /** Changes with each change of the file, and when another file takes its place; `""` without a file. */
  readonly fingerprint: string;
  /** When the file was written, or moved to the path. */
  readonly changedAt: number;
}

/** Follows symbolic links. */
function stateOf(path: string): FileState {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    return { fingerprint: [dev, ino, size, mtimeMs, ctimeMs].join(" "), changedAt: Math.max(mtimeMs, ctimeMs) };
  } catch {
    return { fingerprint: "", changedAt: 0 };
  }
}

/** Reads the paths in a report of the child: plain for CommonJS, as URLs for ES modules. Modules without a file are left out. */
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
  /** The handler's file: the loaders do not report a path that is a symbolic link. */
  readonly file: string | undefined;
  readonly clock: Clock;
}

export class Watcher {
  readonly #parts: WatcherParts;
  /** By path: the fingerprint of the file that the child has read. */
  readonly #files = new Map<string, string>();
  readonly #folders = new Map<string, FSWatcher>();
  #child: ChildProcess | undefined;
  #timer: Timer | undefined;
  #isCheckPending = false;
  #deadline: Timer | undefined;
  #isRestarting = false;
  /** The watcher itself got a signal. */
  #hasSignal = false;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
  }

  run(): void {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => this.#onSignal(signal));
    this.#start();
    this.#schedulePoll();
  }

  #start(): void {
    const { command, file } = this.#parts;
    // Watches every folder anew, since another folder may have taken the place.
    for (const folder of [...this.#folders.keys()]) this.#unwatch(folder);
    for (const path of this.#files.keys()) this.#add(path);
    if (file !== undefined) this.#add(file);
    const startedAt = this.#parts.clock.now();
    const child = spawn(process.execPath, [...process.execArgv, ...command], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      env: { ...process.env, [REPORT]: "1" },
      // A process group of its own: Ctrl-C in the terminal signals the whole group of the watcher, which passes the signal on once more.
      detached: process.platform !== "win32",
    });
    this.#child = child;
    child.on("message", (message) => {
      for (const path of readReport(message)) if (!this.#files.has(path)) this.#addReported(path, startedAt);
    });
    child.once("error", exitWithError);
    child.once("exit", (code, signal) => this.#onExit(code, signal));
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#child = undefined;
    this.#deadline?.cancel();
    // A signal kills a child that does not listen yet: a success, as requested.
    if (this.#hasSignal) process.exit(signal === null ? (code ?? 1) : signal === "SIGKILL" ? 1 : 0);
    if (this.#isRestarting) {
      this.#isRestarting = false;
      this.#start();
    } else process.stderr.write("sendall: waiting for a change\n");
  }

  /** The second signal kills the child, which the handler's code may block, and exits. */
  #onSignal(signal: NodeJS.Signals): void {
    if (this.#hasSignal) {
      this.#child?.kill("SIGKILL");
      process.exit(exitCodeOf(signal));
    }
    this.#hasSignal = true;
    if (this.#child === undefined) process.exit(0);
    // A child draining for a restart would take a further signal for the second.
    if (!this.#isRestarting) this.#stopChild(this.#child, signal === "SIGHUP" ? "SIGTERM" : signal);
  }

  #stopChild(child: ChildProcess, signal: NodeJS.Signals): void {
    child.kill(signal);
    this.#deadline = this.#parts.clock.after(SHUTDOWN_MS, () => child.kill("SIGKILL"));
  }

  /** If the file changed after the child's start, the child may have read the earlier state, and has to restart. */
  #addReported(path: string, startedAt: number): void {
    const { changedAt } = this.#add(path);
    if (changedAt <= startedAt) return;
    this.#files.set(path, "");
    this.#checkSoon();
  }

  #add(path: string): FileState {
    const state = stateOf(path);
    this.#files.set(path, state.fingerprint);
    this.#watch(dirname(path));
    return state;
  }

  #watch(folder: string): void {
    if (this.#folders.has(folder)) return;
    try {
      const watcher = watchFolder(folder, this.#checkSoon);
      watcher.on("error", () => this.#unwatch(folder));
      this.#folders.set(folder, watcher);
    } catch {
      // The folder does not exist, or the system allows no more watches: polling finds a change later.
    }
  }

  #unwatch(folder: string): void {
    this.#folders.get(folder)?.close();
    this.#folders.delete(folder);
  }

  /** Does not wait for the last event: a log file in the same folder may change without a pause. */
  readonly #checkSoon = (): void => {
    if (this.#isCheckPending) return;
    this.#isCheckPending = true;
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(SETTLE_MS, () => this.#check());
  };

  #schedulePoll(): void {
    this.#isCheckPending = false;
    this.#timer = this.#parts.clock.after(POLL_MS, () => {
      if (this.#findChanged() === undefined) this.#schedulePoll();
      else this.#checkSoon();
    });
  }

  #check(): void {
    const path = this.#findChanged();
    this.#schedulePoll();
    if (path !== undefined && !this.#hasSignal && !this.#isRestarting) this.#restart(path);
  }

  /** Skips a missing file, which is being saved or was deleted: a restart without the file would gain nothing. */
  #findChanged(): string | undefined {
    for (const [path, before] of this.#files) {
      const { fingerprint } = stateOf(path);
      if (fingerprint !== before && fingerprint !== "") return path;
    }
    return undefined;
  }

  #restart(path: string): void {
    process.stderr.write(`sendall: ${relative("", path)} has changed\n`);
    if (this.#child === undefined) this.#start();
    else {
      this.#isRestarting = true;
      this.#stopChild(this.#child, "SIGTERM");
    }
  }
}
