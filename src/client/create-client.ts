/**
 * A running client: its machine, its current socket, its session and its channels. `connect.ts` makes a
 * client, which ends when the machine reaches `closed`. The user's callbacks run after the machine's step, so that a callback reads the
 * new `state`; listeners of the status run after the callbacks. Written as a closure: the names of variables cost a page nothing.
 */
import { cutReason, isClientCloseCode, NO_CODE, NORMAL } from "../api/close-codes.js";
import type { SendallError } from "../api/errors.js";
import type { Line, LineEvent } from "../protocol/calls.js";
import { type ClientClock, checkData } from "./arguments.js";
import { createCallbacks, STATUS } from "./callbacks.js";
import { createChannels } from "./channels.js";
import type { Client } from "./client.js";
import { type ClientState, type MachineEvent, START, type Step, step } from "./machine.js";
import { createOpened, type Opened } from "./opened.js";
import type { ChannelOptions, ClientClosing, ClientData, ClientOpening, ClientStatus } from "./options.js";
import { watchPage } from "./page.js";
import { ACKNOWLEDGE_MS, createSession, NOBODY } from "./session.js";
import type { ClientSettings } from "./settings.js";
import { type CloseArguments, createSocket, type SocketFactory, type SocketListener } from "./socket.js";
import { soon } from "./soon.js";
import { refuse } from "./texts.js";
import type { Welcome } from "./wire.js";

/** An alarm that is set: when it is due, and the id of its timer. */
interface Alarm {
  readonly dueAt: number;
  readonly timer: unknown;
}

/** The server answers one question a second. */
const ASK_MS = 1_000;
/** Sockets do not tell when they have sent everything. */
const POLL_MS = 50;

/**
 * @param clock default: the real time; the timer of a wait keeps a Node process alive, as the next connection will
 * @param url `""` if the address is asked for at each attempt
 */
export function createClient(
  settings: ClientSettings,
  factory: SocketFactory,
  clock: ClientClock | undefined,
  url: string,
): Client {
  const { emit, report, enlist, face } = createCallbacks(settings);
  const opened = createOpened();
  /** By name: those of the machine, and `flush` and `answer`. */
  const alarms: Record<string, Alarm> = {};
  let machine = START[0];
  /** How the present session began, or the last; without a session, the connection. */
  let begun: ClientOpening;
  /** Whether the present connection goes on with a session. */
  let isResumed = false;
  /** How the last connection ended, if its session may go on: the channels hear of the end if the session does not. */
  let parting: ClientClosing | undefined;
  /** What `flushed` has returned, until settled. */
  let flush: Opened | undefined;
  /** Whether nothing has come since `flushed` has asked the server, and when that was. */
  let isAsked = false;
  let askedAt = -ASK_MS;
  let heardAt = 0;
  let lastError: SendallError | undefined;
  let farewell: CloseArguments = [];

  const timers = clock ?? globalThis;
  const look = (): ClientStatus => ({
    state: state(),
    retryAt: state() === "waiting" ? (alarms.phase as Alarm).dueAt : undefined,
    resumed: state() === "open" && isResumed,
  });
  const now = (): number => clock?.now?.() ?? Date.now();
  const state = (): ClientState => machine.state;
  let status = look();
  const isAlive = (): boolean => !/^clos/.test(state());
  const isOpen = (): boolean => state() === "open" && socket.isOpen();

  /** Replaces an alarm, if there is a time. @param ring default: an alarm of the machine */
  const setAlarm = (name: string, ms?: number, ring?: () => void): void => {
    if (ms === undefined) return;
    const dueAt = now() + ms;
    const left = socket.bufferedAmount();
    timers.clearTimeout(alarms[name]?.timer as undefined);
    const timer = timers.setTimeout(() => {
      if (ring) return ring();
      // Bytes that the socket has taken are a sign of life, too: an answer may wait behind a long message of the client's.
      if (socket.bufferedAmount() < left) onFrame();
      take(name as "phase" | "silence", now() - dueAt, now() - heardAt);
    }, ms);
    alarms[name] = { dueAt, timer };
  };
  const take = (...event: MachineEvent): void => carryOut(step(machine, settings.reconnect, ...event));
  const carryOut = ([next, { act, phaseMs, silenceMs }]: Step): void => {
    machine = next;
    const isNew = state() !== status.state;
    if (isNew) for (const name in alarms) timers.clearTimeout((alarms[name] as Alarm).timer as undefined);
    setAlarm("phase", phaseMs);
    setAlarm("silence", silenceMs);
    if (isNew) {
      const shown = look();
      status = shown;
      // Listeners of the status hear of the last change in a row.
      soon(() => status === shown && emit(STATUS, shown));
    }
    if (act) socket[act](...farewell);
  };
  /** Settles the promise of `flushed`, or asks the server, and looks again later. */
  const settle = (): void => {
    const hasSession = session.isKept();
    if (state() === "closed") flush?.fail();
    else if (!flush) return;
    else if (session.left() || (!hasSession && socket.bufferedAmount())) {
      if (hasSession && isOpen() && !isAsked && now() >= askedAt + ASK_MS) {
        isAsked = true;
        askedAt = now();
        socket.ask();
      }
      setAlarm("flush", hasSession ? ASK_MS : POLL_MS, settle);
      return;
    } else flush.fulfil();
    flush = undefined;
  };

  const send = (payload: ClientData, data: ClientData, owner?: object | typeof NOBODY): boolean =>
    isAlive() && session.put(payload, data, owner);
  const onOpened = (welcome: Partial<Welcome>): boolean => {
    // The attempt may have been given up while its socket opened.
    if (state() !== "connecting") return true;
    onFrame();
    const opening = session.begin(welcome);
    if (!opening) return false;
    const { resumed } = opening;
    isResumed = resumed;
    take("opened", welcome.heartbeatMs as number);
    opened.fulfil();
    session.go(0);
    if (!resumed) {
      begun = opening;
      if (parting) channels.onConnectionClosed(parting);
    }
    session.go(Number.POSITIVE_INFINITY);
    if (!resumed) channels.renew();
    tell(opening);
    emit("open", opening);
    if (!resumed) channels.announce();
    session.go(1);
    // Channels that were opened while there was no connection have subscribed only now.
    channels.announce(opening.lost);
    settle();
    return true;
  };
  const onFrame = (data?: string | Uint8Array, error?: SendallError): void => {
    heardAt = now();
    isAsked = false;
    take("heard", data !== undefined);
    if (data === undefined) {
      settle();
      return;
    }
    const isDue = session.count(data);
    if (error) onFailed(error);
    else if (!channels.onData(data)) emit("message", data);
    if (isDue) session.acknowledge();
  };
  const onFailed = (error: SendallError): void => {
    lastError = error;
    emit("error", error);
  };
  const onClosed: SocketListener["onClosed"] = (code, isFinal, reason, wasClean) => {
    if (state() === "closed") return;
    const cause = isAlive() ? lastError : undefined;
    take("ended", isFinal, (clock ?? Math).random());
    const willRetry = isAlive();
    const ending = { code, reason, wasClean, willRetry, uncertain: [], unsent: [] };
    // A close frame with a code ends the session; 1005 and 1006 stand for none.
    if ((code - NO_CODE) >> 1) session.over();
    tell(ending);
    parting = willRetry && session.isKept() ? ending : undefined;
    if (!parting) channels.onConnectionClosed(ending);
    if (!willRetry) {
      stopWatching();
      opened.fail(cause);
    }
    settle();
    emit("close", { ...ending, ...(!willRetry && session.leave()) });
  };
  const listener = {
    stateOf: state,
    offer: () => session.offer(),
    onUpgraded: () => take("upgraded"),
    onOpened,
    onFrame,
    onAcknowledged: (number: number) => session.forget(number),
    onFailed,
    onClosed,
  };
  const socket = createSocket(factory, listener, settings.session, url);
  const session = createSession(settings.offline, socket, isOpen, () =>
    setAlarm("answer", ACKNOWLEDGE_MS, session.acknowledge),
  );
  const listeners: Line[0] = new Set();
  const line: Line = [listeners, session.isKept, session.waits, session.leave, timers];
  const tell = (event: LineEvent): void => {
    for (const hear of listeners) hear(event);
  };
  const channels = createChannels({
    stateOf: state,
    opening: (owner) => ({ ...begun, uncertain: session.tell(owner) }),
    isSession: () => session.isKept() || socket.isSession(),
    write: (message) => send(message, message, NOBODY),
    send,
    leave: session.leave,
    line,
    report,
  });
  const client: Client = {
    get state() {
      return state();
    },
    get status() {
      return status;
    },
    get pending() {
      return session.left();
    },
    get bufferedAmount() {
      return socket.bufferedAmount();
    },
    get protocol() {
      return state() === "open" ? socket.protocol() : "";
    },
    opened: opened.promise,
    subscribe: (listener) => enlist(STATUS, listener),
    on: enlist,
    send(data) {
      const own = checkData(data);
      return send(own, own);
    },
    flushed() {
      flush ??= createOpened();
      const { promise } = flush;
      settle();
      return promise;
    },
    close(code = NORMAL.code, reason = "") {
      if (!isClientCloseCode(code)) refuse("close code", code, "BAD_CLOSE_CODE");
      const wasAlive = isAlive();
      if (wasAlive) {
        farewell = [code, cutReason(reason)];
        session.acknowledge();
        take("close");
        // The calls of the channels: the server may still work on a call before the connection ends.
        tell({});
      }
      return wasAlive;
    },
    channel: ((name, options = {}) => channels.make(name, options as ChannelOptions)) as Client["channel"],
  };
  // Throws for options that the protocol refuses; then nothing may listen to the page.
  const shown = face(client, (text, call) => send(text, text, call), line);
  const stopWatching = watchPage(
    () => take("hint"),
    () => client.close(),
  );
  carryOut(START);
  return shown;
}
