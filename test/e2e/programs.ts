/**
 * Our programs as processes of their own: tests of the command and of the examples start them, wait for what they print, talk
 * to them with the client of `ws` and stop them. Nothing here waits for a time. `stopPrograms` belongs into `afterEach`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";

const ROOT = new URL("../../", import.meta.url);

/** How a program ended and all that it wrote. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

export interface Program {
  /** For a program that was started with `hasInput`. */
  readonly stdin: Writable | null;
  readonly stdout: Lines;
  readonly stderr: Lines;
  /** Resolves when it, and whoever writes to its outputs, has ended. */
  readonly ended: Promise<End>;
  readonly pid: number | undefined;
  /** Reads no more of its standard output. */
  breakOutput(): void;
  kill(signal: NodeJS.Signals): void;
  /** As a terminal does it: the signal goes to the program and to all that it has started in its process group. */
  killGroup(signal: NodeJS.Signals): void;
}

/** What a program writes, line by line. */
export class Lines {
  readonly all: string[] = [];
  #read = 0;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(stream: Readable) {
    const lines = createInterface(stream);
    lines.on("line", (line) => {
      this.all.push(line);
      this.#wake();
    });
    lines.on("close", () => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** The next line that matches, as its match; the lines before it are skipped. */
  async next(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.all.slice(this.#read)) {
        this.#read++;
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      if (this.#isOver) throw new Error(`no line matches ${pattern}:\n${this.all.join("\n")}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A client of a started program. */
export class Client {
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #messages: (string | Buffer)[] = [];
  #wake: () => void = () => {};

  constructor(url: string) {
    this.socket = new WebSocket(url);
    this.socket.on("message", (data: Buffer, isBinary) => {
      this.#messages.push(isBinary ? data : data.toString());
      this.#wake();
    });
    // What goes wrong on the way shows in `closed`.
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
  }

  send(data: string | Buffer): void {
    this.socket.send(data);
  }

  /** The messages that have come and were not asked for. */
  rest(): (string | Buffer)[] {
    return this.#messages.splice(0);
  }

  /** The next message that has not been asked for. */
  async next(): Promise<string | Buffer> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error("the connection closed without another message");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const children = new Set<ChildProcess>();
const clients = new Set<Client>();
const holders = new Set<Server>();

// What the shell of whoever runs the tests has set must not reach the programs.
const CLEAN = {
  PORT: undefined,
  HOST: undefined,
  NODE_OPTIONS: undefined,
  SENDALL_LOG_FORMAT: undefined,
  ...asksForColours(),
};

/** What Node asks, beside the name of the terminal, whether it has colours. */
function asksForColours(): Record<string, undefined> {
  const names = ["CI", "FORCE_COLOR", "NO_COLOR", "NODE_DISABLE_COLORS", "TEAMCITY_VERSION", "TMUX"];
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/** Runs a file of this package (`dist/cli.js`) under the Node of the tests. */
export function start(script: string, args: readonly string[] = [], setting: Setting = {}): Program {
  return launch([fileURLToPath(new URL(script, ROOT)), ...args], setting);
}

/** Runs a command of the machine. */
export function run(command: string, args: readonly string[]): Program {
  return launch(args, {}, command);
}

/** Runs a module that stands in the test, with this package as `sendall`. */
export function runCode(code: string): Program {
  return launch(["--input-type=module", "--eval", code], { cwd: fileURLToPath(ROOT) });
}

/** Runs a module that stands in the test to its end. @param flags for Node */
export async function runToEnd(
  code: string,
  ...flags: readonly string[]
): Promise<{ readonly code: number | null; readonly output: string; readonly errors: string }> {
  const program = launch([...flags, "--input-type=module", "--eval", code], { cwd: fileURLToPath(ROOT) });
  const { code: exitCode, stdout, stderr } = await program.ended;
  return { code: exitCode, output: stdout.join("\n").trim(), errors: stderr.join("\n") };
}

/** Runs a line of the shell in the folder of this package; the shell knows Node as `$NODE`. */
export function runShell(line: string): Program {
  return launch(["-c", line], { cwd: fileURLToPath(ROOT), env: { NODE: process.execPath } }, "/bin/sh");
}

interface Setting {
  /** Whether the program reads what `stdin` is given; else its input is empty. */
  readonly hasInput?: boolean;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

/** Runs a command in a terminal of its own, where everything that it writes is one output; needs `script` of util-linux. */
export function startInTerminal(command: string, setting: Setting = {}): Program {
  // The shell is one that stays where the signals of the terminal go to: it ends with its own code when one comes.
  const env = { SHELL: "/bin/sh", ...setting.env };
  return launch(["-qefc", command, "/dev/null"], { hasInput: true, ...setting, env }, "script");
}

function launch(
  args: readonly string[],
  { env = {}, cwd, hasInput = false }: Setting,
  command = process.execPath,
): Program {
  const child = spawn(command, args, {
    env: { ...process.env, ...CLEAN, ...env },
    ...(cwd !== undefined && { cwd }),
    stdio: [hasInput ? "pipe" : "ignore", "pipe", "pipe"],
    // A process group of its own, for `killGroup`.
    detached: true,
  });
  children.add(child);
  if (child.stdout === null || child.stderr === null) throw new Error("its outputs are pipes");
  const stdout = new Lines(child.stdout);
  const stderr = new Lines(child.stderr);
  const ended = once(child, "close").then(([code, signal]): End => {
    children.delete(child);
    return { code, signal, stdout: stdout.all, stderr: stderr.all };
  });
  return {
    stdin: child.stdin,
    stdout,
    stderr,
    ended,
    pid: child.pid,
    breakOutput: () => void child.stdout?.destroy(),
    kill: (signal) => void child.kill(signal),
    killGroup: (signal) => {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    },
  };
}

/** Resolves once the connection is open. */
export async function connect(url: string): Promise<Client> {
  const client = new Client(url);
  clients.add(client);
  await once(client.socket, "open");
  return client;
}

/** A port of 127.0.0.1 that somebody else listens on. */
export async function holdPort(): Promise<number> {
  const holder = createServer().listen(0, "127.0.0.1");
  holders.add(holder);
  await once(holder, "listening");
  const address = holder.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

/** A port that was free just now, for a program that has to be told. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

/** A port that was free just now, with the next, for a program that is started twice: outside the range from which the system takes ports. */
export async function freePair(): Promise<number> {
  for (;;) {
    const port = 20_000 + 2 * Math.floor(Math.random() * 5_000);
    const probes = [port, port + 1].map((one) => createServer().listen(one, "127.0.0.1"));
    const isFree = await Promise.all(probes.map((probe) => once(probe, "listening"))).then(
      () => true,
      () => false,
    );
    for (const probe of probes) if (probe.listening) await new Promise((resolve) => probe.close(resolve));
    if (isFree) return port;
  }
}

/** Ends everything that was started here and is still there. */
export async function stopPrograms(): Promise<void> {
  for (const { socket } of clients) socket.terminate();
  clients.clear();
  for (const holder of holders) holder.close();
  holders.clear();
  // The first signal drains, the second one leaves at once; two of one kind may be merged into one.
  const ends = [...children].map((child) => {
    child.kill("SIGTERM");
    child.kill("SIGINT");
    return once(child, "close");
  });
  await Promise.all(ends);
}
