/**
 * A running client: its machine, its current socket, its session and its channels. `connect.ts` makes a
 * client, which ends when the machine reaches `closed`. The user's callbacks run after the machine's step, so that a callback reads the
 * new `state`; listeners of the status run after the callbacks. Written as a closure: the names of variables cost a page nothing.
 */
import { ABNORMAL, cutReason, isClientCloseCode, NO_CODE, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { ownName } from "../api/session-protocol.js";
import { type ClientClock, checkData } from "./arguments.js";
import { createCallbacks } from "./callbacks.js";
import { type Channel, createChannels } from "./channels.js";
import type { Client } from "./client.js";
import { type ClientState, type MachineEvent, START, type Step, step } from "./machine.js";
import { createOpened, type Opened } from "./opened.js";
import type { ClientClosing, ClientData, ClientOpening, ClientStatus } from "./options.js";
import { watchPage } from "./page.js";
import { ACKNOWLEDGE_MS, createSession, NOBODY } from "./session.js";
import type { ClientSettings } from "./settings.js";
import { createSocket, type SocketFactory, type SocketListener } from "./socket.js";
import { soon } from "./soon.js";
import { CLIENT_ENDED, refuse } from "./texts.js";
import type { Welcome } from "./wire.js";

/** The dependencies of a client. */
export interface ClientParts {
  /** `""` if the address is asked for at each attempt. */
  readonly url: string;
  readonly settings: ClientSettings;
  readonly factory: SocketFactory;
  /** Default: the real time. The timer of a wait keeps a Node process alive, as the next connection will. */
  readonly clock: ClientClock | undefined;
}

/** An alarm that is set: when it is due, and the id of its timer. */
interface Alarm {
  readonly dueAt: number;
  readonly id: unknown;
}

const PLAIN: Welcome = { resumed: false, why: "plain", replayed: 0, lost: 0, heartbeatMs: 0 };

/** The server answers one question a second. */
const ASK_MS = 1_000;
/** Sockets do not tell when they have sent everything. */
const POLL_MS = 50;

export function createClient({ url, settings, factory, clock }: ClientParts): Client {
  const callbacks = createCallbacks(settings);
  const opened = createOpened();
  /** By name: those of the machine, and `flush` and `answer`. */
  const alarms: Record<string, Alarm> = {};
  let machine = START[0];
  let status: ClientStatus = { state: machine.state, retryAt: undefined, resumed: false };
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
  /** Code and reason of the client's close frame. */
  let farewell: readonly [number, string] = [NORMAL.code, ""];

  const timers = clock ?? globalThis;
  const now = (): number => clock?.now?.() ?? Date.now();
  const state = (): ClientState => machine.state;
  const isAlive = (): boolean => !/^clos/.test(state());
  const isOpen = (): boolean => state() === "open" && socket.isOpen();

  /** Replaces an alarm, if there is a time. @param ring default: an alarm of the machine */
  const setAlarm = (name: string, ms?: number, ring?: () => void): void => {
    if (ms === undefined) return;
    const dueAt = now() + ms;
    const left = socket.bufferedAmount();
    timers.clearTimeout(alarms[name]?.id as undefined);
    const id = timers.setTimeout(() => {
      if (ring) return ring();
      // Bytes that the socket has taken are a sign of life, too: an answer may wait behind a long message of the client's.
      if (socket.bufferedAmount() < left) onFrame();
      take(name as "phase" | "silence", now() - dueAt, now() - heardAt);
    }, ms);
    alarms[name] = { dueAt, id };
  };
  const take = (...event: MachineEvent): void => carryOut(step(machine, settings.reconnect, ...event));
  const carryOut = ([next, { act, phaseMs, silenceMs }]: Step): void => {
    machine = next;
    const isNew = state() !== status.state;
    if (isNew) for (const name in alarms) timers.clearTimeout(alarms[name]?.id as undefined);
    setAlarm("phase", phaseMs);
    setAlarm("silence", silenceMs);
    if (isNew) {
      const retryAt = state() === "waiting" ? alarms.phase?.dueAt : undefined;
      const shown = { state: state(), retryAt, resumed: state() === "open" && isResumed };
      status = shown;
      // Listeners of the status hear of the last change in a row.
      soon(() => status === shown && callbacks.emit("status", shown));
    }
    if (act) socket[act](...farewell);
  };
  const fail = (promise: Opened | undefined, cause?: SendallError): void =>
    promise?.fail(cause ?? new SendallError("CLOSED", CLIENT_ENDED));
  /** Settles the promise of `flushed`, or asks the server, and looks again later. */
  const settle = (): void => {
    const isKept = session.isKept();
    if (state() === "closed") fail(flush);
    else if (!flush) return;
    else if (session.left() || (!isKept && socket.bufferedAmount())) {
      if (isKept && isOpen() && !isAsked && now() >= askedAt + ASK_MS) {
        isAsked = true;
        askedAt = now();
        socket.ask();
      }
      setAlarm("flush", isKept ? ASK_MS : POLL_MS, settle);
      return;
    } else flush.fulfil();
    flush = undefined;
  };

  const send = (payload: ClientData, data: ClientData, owner?: Channel): boolean =>
    isAlive() && session.put(payload, data, owner);
  const onOpened = (welcome = PLAIN): boolean => {
    // The attempt may have been given up while its socket opened.
    if (state() !== "connecting") return true;
    if (!session.begin(welcome)) return false;
    onFrame();
    const { resumed, why, replayed, lost, heartbeatMs } = welcome;
    const opening = { resumed, why, replayed, lost, uncertain: session.tell(undefined) };
    isResumed = resumed;
    take("opened", heartbeatMs);
    opened.fulfil();
    session.go(0);
    if (!resumed) {
      begun = opening;
      if (parting) channels.onConnectionClosed(parting);
    }
    session.go(Number.POSITIVE_INFINITY);
    if (!resumed) channels.renew();
    callbacks.emit("open", opening);
    if (!resumed) channels.announce();
    session.go(1);
    // Channels that were opened while there was no connection have subscribed only now.
    channels.announce();
    settle();
    return true;
  };
  const onFrame = (data?: string | Uint8Array, error?: SendallError): void => {
    heardAt = now();
    isAsked = false;
    if (machine.waits) take("heard");
    if (data === undefined) return settle();
    if (machine.retries || machine.patience > 1) take("message");
    const isDue = session.count(data);
    if (error) onFailed(error);
    else if (!channels.onData(data)) callbacks.emit("message", data);
    if (isDue) session.acknowledge();
  };
  const onFailed = (error: SendallError): void => {
    lastError = error;
    callbacks.emit("error", error);
  };
  const onClosed: SocketListener["onClosed"] = (code, isFinal, reason, wasClean) => {
    if (state() === "closed") return;
    const cause = isAlive() ? lastError : undefined;
    take("ended", isFinal, clock ? clock.random() : Math.random());
    const willRetry = isAlive();
    const ending = { code, reason, wasClean, willRetry, uncertain: [], unsent: [] };
    // A close frame with a code ends the session.
    if (code !== NO_CODE && code !== ABNORMAL) session.over();
    parting = willRetry && session.isKept() ? ending : undefined;
    if (!parting) channels.onConnectionClosed(ending);
    if (!willRetry) {
      stopWatching();
      fail(opened, cause);
    }
    settle();
    callbacks.emit("close", { ...ending, ...(!willRetry && session.leave(undefined)) });
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
  const socket = createSocket(url, factory, listener, settings.session);
  const session = createSession(settings.offline, socket, {
    isOpen,
    delay: (acknowledge) => setAlarm("answer", ACKNOWLEDGE_MS, acknowledge),
  });
  const channels = createChannels({
    stateOf: state,
    opening: (owner) => ({ ...begun, uncertain: session.tell(owner) }),
    isSession: () => session.isKept() || socket.isSession(),
    write: (message) => (session.isKept() || isOpen()) && isAlive() && session.put(message, message, NOBODY),
    send,
    leave: session.leave,
    report: callbacks.report,
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
      return ownName(socket.protocol());
    },
    opened: opened.promise,
    subscribe: (listener) => callbacks.add("status", listener),
    on: callbacks.add,
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
      }
      return wasAlive;
    },
    channel: (name, options = {}) => channels.make(name, options),
  };
  const stopWatching = watchPage(
    () => take("hint"),
    () => client.close(),
  );
  carryOut(START);
  return client;
}
