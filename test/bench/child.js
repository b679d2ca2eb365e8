// @ts-check
/**
 * A child process that answers questions (its side is `answers.js`), one at a time. It is ended by its pid, and a child that
 * ends by itself, or is not done by the deadline, is an error.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";

/** So long may a child take to end once it was told to. */
const STOP_MS = 5_000;

/**
 * @typedef {{ readonly ready: true } | { readonly value: unknown } | { readonly error: string }} Answer what a child sends
 * @typedef {{ readonly name: string, readonly input: readonly unknown[] }} Question what it is sent
 */

/** @template A what it can be asked: a function for each question */
export class Child {
  #name;
  #process;
  /** Aborted when no answer can be expected any more, with the reason. */
  #over;
  /** @type {Promise<unknown>} */
  #ready;

  /**
   * @param {string} name for error messages
   * @param {readonly string[]} command
   * @param {AbortSignal} deadline
   */
  constructor(name, [program = "", ...args], deadline) {
    const gone = new AbortController();
    this.#name = name;
    this.#over = AbortSignal.any([gone.signal, deadline]);
    // What it prints goes to our stderr: stdout is for the results.
    this.#process = spawn(program, args, { stdio: ["ignore", 2, "inherit", "ipc"] });
    this.#process.on("error", (error) => gone.abort(new Error(`${name}: ${error.message}`)));
    this.#process.on("exit", (code, signal) => gone.abort(new Error(`${name} ended by itself with ${signal ?? code}`)));
    this.#ready = this.#next();
    // It is asked for later; until then a failure is no unhandled one.
    this.#ready.catch(() => {});
  }

  /** Resolves when it can be asked. */
  async ready() {
    await this.#ready;
  }

  /**
   * @template {keyof A & string} Q
   * @param {Q} name
   * @param {A[Q] extends (...input: infer I) => unknown ? I : never} input
   * @returns {Promise<A[Q] extends (...input: never[]) => infer R ? Awaited<R> : never>}
   */
  async ask(name, ...input) {
    this.#over.throwIfAborted();
    const answer = this.#next();
    // A failure to send shows as the end of the child.
    this.#process.send({ name, input }, () => {});
    // What arrives over IPC has the type that the other side's table says.
    return /** @type {any} */ (await answer);
  }

  /** Ends it and waits until it has ended. */
  async stop() {
    if (this.#process.pid === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    if (this.#process.connected) this.#process.disconnect();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
  }

  /** @returns {Promise<unknown>} the value of its next answer */
  async #next() {
    /** @type {Answer} */
    let answer;
    try {
      [answer] = await once(this.#process, "message", { signal: this.#over });
    } catch (error) {
      throw this.#why(error);
    }
    if ("error" in answer) throw new Error(`${this.#name}: ${answer.error}`);
    return "value" in answer ? answer.value : undefined;
  }

  /** @param {unknown} error */
  #why(error) {
    const reason = this.#over.aborted ? this.#over.reason : error;
    const isLate = reason instanceof DOMException && reason.name === "TimeoutError";
    return isLate ? new Error(`${this.#name} was not done when the time for the whole run was up`) : reason;
  }
}
