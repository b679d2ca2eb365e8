/**
 * The trace of an explored run: who did what, in order, as plain JSON. Each `Explorer` fills a trace, kept if the run fails. The
 * trace learns from observers what the server does, never from the log.
 */
import type { MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { HandlerObserver } from "../../actors/route/observer.js";
import type { Failure } from "../../api/stats.js";
import type { ToClient, ToServer } from "../memory-transport/contracts.js";
import type { AdmissionObserver } from "../runtime/environment.js";

/** One line of a trace. */
export interface TraceStep {
  /** The line's number, from 1. */
  readonly step: number;
  /** A client by its name or its id, `"server"`, or `"time"`. */
  readonly actor: string;
  /** What the actor did, as a verb: `"sends"` stands where a client's message arrives, `"reads"` where a client has read something. */
  readonly did: string;
  /** The object of the verb: the message, the handled events, the time; `""` for a verb without an object. */
  readonly what: string;
}

/** The verb and the object of a trace's line. */
export type Wording = readonly [did: string, what: string];

/** Characters of a message in a trace: a small JSON object fits. */
const MAX_MESSAGE = 120;
const SERVER = "server";
const HANDLES = "handles";

/** Describes an item on its arrival at the server. */
export function describeSent(item: ToServer): Wording {
  if (item.type === "message") return ["sends", describeData(item.data)];
  if (item.type === "close") return ["closes", describeClose(item.code, item.reason)];
  if (item.type === "end") return ["disconnects", ""];
  if (item.type === "reset") return ["fails", item.error.message];
  return ["sends", `a ${item.type}`];
}

/** Describes an item on its arrival at a client. */
export function describeRead(item: ToClient): Wording {
  if (item.type === "frames")
    return [
      "reads",
      item.frames
        .slice(item.next)
        .map(({ data }) => describeData(data))
        .join(", "),
    ];
  if (item.type === "close") return ["reads", `close ${describeClose(item.code, item.reason)}`];
  if (item.type === "cut") return ["is cut off", ""];
  return ["reads", `a ${item.type}`];
}

function describeData(data: string | Buffer): string {
  return typeof data === "string" ? quote(data) : `${data.length} bytes`;
}

/** The beginning of a message as JSON; in single quotes if the message has double quotes, so that JSON within can be read. */
function quote(text: string): string {
  const shown = text.slice(0, MAX_MESSAGE).replace(HALF_CHARACTER, "");
  const json = JSON.stringify(shown);
  const quoted = shown.includes('"') ? `'${json.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'` : json;
  return text.length > MAX_MESSAGE ? `${quoted}...` : quoted;
}
/** A surrogate pair that was cut in two. */
const HALF_CHARACTER = /[\uD800-\uDBFF]$/;

function describeClose(code: number, reason: string): string {
  return `${code} ${reason}`.trimEnd();
}

export class Trace implements AdmissionObserver, HandlerObserver {
  readonly #steps: TraceStep[] = [];
  readonly #names = new Map<string, string>();
  /** Everything that the server has handled since the last line: the next line. */
  #handled: string[] = [];

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
    this.#push(SERVER, HANDLES, handled.join(", "));
  }

  onConnected(name: string, id: string, url: string): void {
    this.#names.set(id, name);
    this.add(name, ["connects", url]);
  }

  onRefused(name: string, status: number): void {
    this.add(name, ["is refused", String(status)]);
  }

  handling({ type, connection }: MailboxEvent): void {
    this.#handled.push(connection === undefined ? type : `${type} of ${this.nameOf(connection.id)}`);
  }

  failed({ event }: Failure): void {
    this.#handled.push(`"${event}" fails`);
  }

  #push(actor: string, did: string, what: string): void {
    this.#steps.push({ step: this.#steps.length + 1, actor, did, what });
  }
}
