/** What happened in an explored run, in words: who did what, in order. Kept as plain JSON. */
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { HandlerObserver } from "../../actors/route/observer.js";
import type { Failure } from "../../api/stats.js";
import { show } from "../../runtime/show.js";
import type { ToClient, ToServer } from "../memory-transport/carried.js";
import type { Guests } from "../runtime/steps.js";

/** One line of a trace. */
export interface TraceStep {
  /** From 1. */
  readonly step: number;
  /** A client by its name or its id, `"server"`, or `"time"`. */
  readonly actor: string;
  /** What it did, as a verb: `"sends"` is told when what a client has sent arrives, `"reads"` when it has read something. */
  readonly did: string;
  /** With what: the message, the events that were handled, the time; `""` if there is nothing to say. */
  readonly what: string;
}

/** Something that happened, in words: what was done, and with what. */
export type Words = readonly [did: string, what: string];

const SERVER = "server";
const HANDLES = "handles";

/** What a client has sent, when it arrives. */
export function sentWords(item: ToServer): Words {
  if (item.type === "message") return ["sends", dataWords(item.data)];
  if (item.type === "close") return ["closes", closeWords(item.code, item.reason)];
  if (item.type === "end") return ["disconnects", ""];
  if (item.type === "reset") return ["fails", item.error.message];
  return ["sends", `a ${item.type}`];
}

/** What a client reads. */
export function readWords(item: ToClient): Words {
  if (item.type === "frames")
    return [
      "reads",
      item.frames
        .slice(item.next)
        .map(({ data }) => dataWords(data))
        .join(", "),
    ];
  if (item.type === "close") return ["reads", `close ${closeWords(item.code, item.reason)}`];
  if (item.type === "cut") return ["is cut off", ""];
  return ["reads", `a ${item.type}`];
}

function dataWords(data: string | Buffer): string {
  return typeof data === "string" ? show(data) : `${data.length} bytes`;
}

function closeWords(code: number, reason: string): string {
  return `${code} ${reason}`.trimEnd();
}

export class Trace implements Guests, HandlerObserver {
  readonly #steps: TraceStep[] = [];
  readonly #names = new Map<string, string>();
  /** What the server handles goes into one line until somebody does something else. */
  #handled: string[] | undefined;

  get steps(): readonly TraceStep[] {
    this.#endHandled();
    return this.#steps;
  }

  nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  add(actor: string, [did, what]: Words): void {
    this.#endHandled();
    this.#steps.push({ step: this.#steps.length + 1, actor, did, what });
  }

  /** The server does something next: what it handles gets a line of its own. */
  endHandling(): void {
    this.#endHandled();
  }

  connected(name: string, id: string, url: string): void {
    this.#names.set(id, name);
    this.add(name, ["connects", url]);
  }

  refused(name: string, status: number): void {
    this.add(name, ["is refused", String(status)]);
  }

  handling({ type, connection }: MailboxEvent): void {
    this.#handled ??= [];
    this.#handled.push(connection === undefined ? type : `${type} of ${this.nameOf(connection.id)}`);
  }

  failed({ event }: Failure): void {
    this.#handled ??= [];
    this.#handled.push(`"${event}" fails`);
  }

  #endHandled(): void {
    const handled = this.#handled;
    if (handled === undefined) return;
    this.#handled = undefined;
    this.#steps.push({ step: this.#steps.length + 1, actor: SERVER, did: HANDLES, what: handled.join(", ") });
  }
}
