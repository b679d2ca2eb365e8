/**
 * The trace of an explored run: who did what, in order, as plain JSON. Each `Explorer` fills a trace, kept if the run fails. The
 * trace learns from observers what the server does, never from the log.
 */
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { HandlerObserver } from "../../actors/route/observer.js";
import type { ToClient, ToServer } from "../memory-transport/contracts.js";
import { quote } from "../quote.js";
import type { AdmissionObserver } from "../runtime/environment.js";

/** One line of a trace. */
export interface TraceStep {
  /** The line's number, from 1. */
  readonly step: number;
  /** A client by its name or its id, `"server"` (the servers of further runtimes: `"server-2"`, `"server-3"`, in the order of their making), or `"time"`. */
  readonly actor: string;
  /** What the actor did, as a verb: `"sends"` stands where a client's message arrives, `"reads"` where a client has read something. */
  readonly did: string;
  /** The object of the verb: the message, the handled events, the time; `""` for a verb without an object. */
  readonly what: string;
}

/** The verb and the object of a trace's line. */
export type Wording = readonly [did: string, what: string];

/** Events of a connection that keeps its session, in words. */
const COMING_AND_GOING: Readonly<Record<string, string>> = { away: "goes away", back: "comes back" };
const HANDLES = "handles";

/** Describes an item on its arrival at the server. */
export function describeSent(item: ToServer, isSession: boolean): Wording {
  if (item.type === "request") return ["dials", item.url];
  if (item.type === "message") return ["sends", describeData(item.data, isSession)];
  if (item.type === "close") return ["closes", describeClose(item.code, item.reason)];
  if (item.type === "end") return ["disconnects", ""];
  if (item.type === "reset") return ["fails", item.error.message];
  return ["sends", `a ${item.type}`];
}

/**
 * Describes an item on its arrival at a client.
 * @param framesRead how many frames of the item were read before
 */
export function describeRead(item: ToClient, isSession: boolean, framesRead: number): Wording {
  if (item.type === "frames")
    return [
      "reads",
      item.frames
        .slice(framesRead)
        .map(({ data }) => describeData(data, isSession))
        .join(", "),
    ];
  if (item.type === "close") return ["reads", `close ${describeClose(item.code, item.reason)}`];
  if (item.type === "cut") return ["is cut off", ""];
  if (item.type === "opened") return ["reads", "that it was let in"];
  if (item.type === "refused") return ["reads", "that it was refused"];
  return ["reads", `a ${item.type}`];
}

/** @param isSession whether a text that begins with `~` is a control frame, or has one more `~` than the message */
function describeData(data: string | Buffer, isSession: boolean): string {
  if (typeof data !== "string") return `${data.length} bytes`;
  if (!isSession || data[0] !== "~") return quote(data);
  return data[1] === "~" ? quote(data.slice(1)) : describeControl(data);
}

/** A control frame of a session, in words. The token is left out, since each run has its own. */
function describeControl(frame: string): string {
  if (frame === "~h") return "a sign of life";
  const acknowledged = /^~a(\d+)$/.exec(frame)?.[1];
  if (acknowledged !== undefined) return `an acknowledgement up to ${acknowledged}`;
  const why = /^~\{.*"why":"(\w+)"/.exec(frame)?.[1];
  return why === undefined ? quote(frame) : `the welcome (${why})`;
}

function describeClose(code: number, reason: string): string {
  return `${code} ${reason}`.trimEnd();
}

export class Trace implements AdmissionObserver {
  readonly #steps: TraceStep[] = [];
  readonly #names = new Map<string, string>();
  /** Everything that a server has handled since the last line: the next line. */
  #handled: string[] = [];
  #handledBy = "";

  get steps(): readonly TraceStep[] {
    this.endServerLine();
    return this.#steps;
  }

  nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  add(actor: string, [did, what]: Wording): void {
    this.endServerLine();
    this.#push(actor, did, what);
  }

  /** Ends the line of handled events: the next handled event begins a new line. */
  endServerLine(): void {
    const handled = this.#handled;
    if (handled.length === 0) return;
    this.#handled = [];
    this.#push(this.#handledBy, HANDLES, handled.join(", "));
  }

  /** @returns the observer of a server's handlers */
  observe(server: string): HandlerObserver {
    return {
      handling: (event) => this.#handling(server, event),
      failed: ({ event }) => this.#note(server, `"${event}" fails`),
    };
  }

  onConnected(name: string, id: string, url: string): void {
    this.#names.set(id, name);
    this.add(name, ["connects", url]);
  }

  onRefused(name: string, status: number): void {
    this.add(name, ["is refused", String(status)]);
  }

  #handling(server: string, { type, connection }: MailboxEvent): void {
    const did = COMING_AND_GOING[type];
    if (did !== undefined && connection !== undefined) {
      this.add(this.nameOf(connection.id), [did, ""]);
      return;
    }
    this.#note(server, connection === undefined ? type : `${type} of ${this.nameOf(connection.id)}`);
  }

  #note(server: string, handled: string): void {
    if (server !== this.#handledBy) this.endServerLine();
    this.#handledBy = server;
    this.#handled.push(handled);
  }

  #push(actor: string, did: string, what: string): void {
    this.#steps.push({ step: this.#steps.length + 1, actor, did, what });
  }
}
