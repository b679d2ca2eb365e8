/**
 * A running client: its machine, its current socket, its session and its channels. `connect.ts` makes a
 * client, which ends when the machine reaches `closed`. The user's callbacks run after the machine's step, so that a callback reads the
 * new `state`; listeners of the status run after the callbacks. Written as a closure: the names of variables cost a page nothing.
 */
import { ABNORMAL, cutReason, isClientCloseCode, NO_CODE, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { isSessionName } from "../api/session-protocol.js";
import { type ClientClock, checkData } from "./arguments.js";
import { createCallbacks } from "./callbacks.js";
import { type Channel, createChannels } from "./channels.js";
import type { Client } from "./client.js";
import { type ClientState, type MachineEvent, START, type Step, step } from "./machine.js";
import { createOpened, type Opened } from "./opened.js";
import type { ClientClosing, ClientData, ClientStatus } from "./options.js";
import { watchPage } from "./page.js";
import { ACKNOWLEDGE_MS, createSession, NOBODY } from "./session.js";
import type { ClientSettings } from "./settings.js";
import { createSocket, type SocketEnd, type SocketFactory } from "./socket.js";
import { soon } from "./soon.js";
import { CLIENT_ENDED, refuse } from "./texts.js";
import { ownProtocol, type Welcome } from "./wire.js";

/** The dependencies of a client. */
export interface ClientParts {
  /** `""` if the address is asked for at each attempt. */
  readonly url: string;
  readonly settings: ClientSettings;
  readonly factory: SocketFactory;
  readonly clock: ClientClock;
}

/** An alarm that is set: when it is due, and the id of its timer. */
interface Alarm {
  readonly dueAt: number;
  readonly id: unknown;
}

const PLAIN: Welcome = {
  session: null,
  received: 0,
  from: 0,
  opening: { resumed: false, why: "plain", replayed: 0, lost: 0, uncertain: [] },
  limitMs: 0,
};

/** The server answers one question a second. */
const ASK_MS = 1_000;
/** Sockets do not tell when they have sent everything. */
const POLL_MS = 50;

export function createClient({ url, settings, factory, clock }: ClientParts): Client {
  const callbacks = createCallbacks(settings);
  const opened = createOpened();
  const alarms: Partial<Record<string, Alarm>> = {};
  let machine = START[0];
  let status: ClientStatus = { state: machine.state, retryAt: undefined, resumed: false };
  /** How the present connection began, or the last. */
  let { opening } = PLAIN;
  /** How the present session began, or the last: without a session, the same. */
  let begun = opening;
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

  const now = (): number => clock.now?.() ?? Date.now();
  const state = (): ClientState => machine.state;
  const isAlive = (): boolean => !/^clos/.test(state());
  const isOpen = (): boolean => state() === "open" && socket.isOpen();

  /** Replaces an alarm. Without a time, there is no alarm any more. */
  const setAlarm = (name: string, ms?: number, ring?: (dueAt: number) => void): void => {
    clock.clearTimeout(alarms[name]?.id);
    const dueAt = now() + (ms ?? 0);
    alarms[name] = ms === undefined ? undefined : { dueAt, id: clock.setTimeout(() => ring?.(dueAt), ms) };
  };
  /** Replaces an alarm of the machine. */
  const setTimer = (type: "phase" | "silence", ms?: number): void => {
    const left = socket.bufferedAmount();
    setAlarm(type, ms, (dueAt) => {
      // Bytes that the socket has taken are a sign of life, too: an answer may wait behind a long message of the client's.
      if (socket.bufferedAmount() < left) onFrame();
      take({ type, lateMs: now() - dueAt, silentMs: now() - heardAt });
    });
  };
  /** Listeners of the status hear of the last change in a row. */
  const show = (): void => {
    const retryAt = state() === "waiting" ? alarms.phase?.dueAt : undefined;
    const shown = { state: state(), retryAt, resumed: state() === "open" && opening.resumed };
    status = shown;
    soon(() => status === shown && callbacks.emit("status", shown));
  };
  const take = (event: MachineEvent): void => carryOut(step(machine, event, settings.reconnect));
  const carryOut = ([next, { act, phaseMs, silenceMs }]: Step): void => {
    machine = next;
    if (phaseMs !== undefined || state() === "closed") setTimer("phase", phaseMs);
    if (silenceMs !== undefined || state() !== "open") setTimer("silence", silenceMs);
    if (state() !== "open") setAlarm("answer");
    if (state() !== status.state) show();
    if (act) socket[act](...farewell);
  };
  const onHeard = (): void => {
    heardAt = now();
    isAsked = false;
  };
  const fail = (promise: Opened | undefined, cause?: SendallError): void =>
    promise?.fail(cause ?? new SendallError("CLOSED", CLIENT_ENDED));
  /** Settles the promise of `flushed`, or asks the server, and looks again later. */
  const settle = (): void => {
    if (flush && state() !== "closed" && (session.left() || (!session.isKept() && socket.bufferedAmount()))) {
      if (session.isKept() && isOpen() && !isAsked && now() >= askedAt + ASK_MS) {
        isAsked = true;
        askedAt = now();
        socket.ask();
      }
      setAlarm("flush", session.isKept() ? ASK_MS : POLL_MS, settle);
      return;
    }
    setAlarm("flush");
    if (state() === "closed") fail(flush);
    else flush?.fulfil();
    flush = undefined;
  };

  const send = (payload: ClientData, data: ClientData, owner?: Channel): boolean =>
    isAlive() && session.send(payload, data, owner);
  const onOpened = (welcome = PLAIN): boolean => {
    // The attempt may have been given up while its socket opened.
    if (state() !== "connecting") return true;
    if (!session.begin(welcome)) return false;
    onHeard();
    opening = { ...welcome.opening, uncertain: session.tell(undefined) };
    const { resumed } = opening;
    take({ type: "opened", limitMs: welcome.limitMs });
    opened.fulfil();
    session.resend();
    if (!resumed) {
      begun = opening;
      if (parting) channels.onConnectionClosed(parting);
    }
    session.greet();
    if (!resumed) channels.subscribe();
    callbacks.emit("open", opening);
    if (!resumed) channels.announce();
    session.release();
    // Channels that were opened while there was no connection have subscribed only now.
    channels.announce();
    settle();
    return true;
  };
  const onFrame = (data?: string | Uint8Array, error?: SendallError): void => {
    onHeard();
    if (machine.waits) take({ type: "heard" });
    if (data === undefined) return;
    if (machine.retries || machine.patience > 1) take({ type: "message" });
    const isDue = session.count(data);
    if (error) onFailed(error);
    else if (!channels.onMessage(data)) callbacks.emit("message", data);
    if (isDue) session.acknowledge();
  };
  const onFailed = (error: SendallError): void => {
    lastError = error;
    callbacks.emit("error", error);
  };
  const onClosed = ({ code, reason, wasClean, isFinal }: SocketEnd): void => {
    if (state() === "closed") return;
    const cause = isAlive() ? lastError : undefined;
    take({ type: "ended", isFinal, random: clock.random() });
    const willRetry = isAlive();
    const ending = { code, reason, wasClean, willRetry, uncertain: [], unsent: [] };
    // A close frame with a code ends the session.
    if (code !== NO_CODE && code !== ABNORMAL) session.end();
    parting = willRetry && session.isKept() ? ending : undefined;
    if (!parting) channels.onConnectionClosed(ending);
    if (!willRetry) {
      stopWatching();
      fail(opened, cause);
      settle();
    }
    callbacks.emit("close", { ...ending, ...(!willRetry && session.leave(undefined)) });
  };
  const listener = {
    state,
    offer: () => session.offer(),
    onUpgraded: () => take({ type: "upgraded" }),
    onOpened,
    onFrame,
    onAcknowledged(number: number) {
      const canBe = session.forget(number);
      settle();
      return canBe;
    },
    onFailed,
    onClosed,
  };
  const socket = createSocket(url, factory, listener, settings.session);
  const session = createSession(settings.offline, socket, {
    isOpen,
    delay: (acknowledge) => setAlarm("answer", ACKNOWLEDGE_MS, acknowledge),
  });
  const channels = createChannels({
    state,
    opening: (owner) => ({ ...begun, uncertain: session.tell(owner) }),
    isSession: () => session.isKept() || isSessionName(socket.protocol()),
    write: (message) => (session.isKept() || isOpen()) && isAlive() && session.send(message, message, NOBODY),
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
      return state() === "open" ? ownProtocol(socket.protocol()) : "";
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
        take({ type: "close" });
      }
      return wasAlive;
    },
    channel: (name, options = {}) => channels.open(name, options),
  };
  const stopWatching = watchPage(
    () => take({ type: "hint" }),
    () => client.close(),
  );
  carryOut(START);
  return client;
}
