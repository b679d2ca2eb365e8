/**
 * The clients that components share, by id. A component that renders makes a shared client, which opens nothing until a component has been
 * mounted. A second after the last component has gone the connection is closed, so that the mount, unmount and mount of StrictMode, or a
 * change of page, open a single socket; a component that comes later opens the next. The registry keeps no shared client alive: a server
 * would never be told to forget.
 */
import { type Client, type ClientStatus, type ProtocolClient, SendallError } from "../client.js";
import { type Connected, checkProtocol, connectFor, type Use } from "./uses.js";

/** A client for components. */
export interface SharedClient {
  /** Shows the present client, or an idle one. */
  readonly client: Client;
  /** A component is mounted, or has rendered again. @param number tells the component from others: parents come first */
  join(number: number, use: Use): void;
  /** A component has gone. */
  leave(number: number): void;
  /** Opens the connection for a component, if there is none; throws what `connect` throws, and `BAD_OPTION` for another protocol. */
  open(number: number): void;
  /** Closes the connection. */
  close(): void;
}

const CLOSE_AFTER_MS = 1_000;

/** The status of a client that has not been opened. */
export const CONNECTING: ClientStatus = { state: "connecting", retryAt: undefined, resumed: false };

/** A client that has not been opened, with or without a protocol. */
const IDLE: Client & Pick<ProtocolClient<never>, "call"> = {
  ...CONNECTING,
  status: CONNECTING,
  opened: new Promise(() => {}),
  pending: 0,
  bufferedAmount: 0,
  protocol: "",
  subscribe: () => () => {},
  on: () => () => {},
  send: () => false,
  flushed: async () => {},
  close: () => false,
  async call() {
    throw unmounted("call");
  },
  channel() {
    throw unmounted("channel");
  },
};

function unmounted(verb: string): SendallError {
  return new SendallError("CLOSED", `${verb}: no component is mounted; use useEffect`);
}

const known: Record<string, WeakRef<SharedClient>> = {};

/** The shared client with an id. */
export function shareClient(id: string): SharedClient {
  const present = known[id]?.deref();
  if (present) return present;
  for (const other in known) if (!known[other]?.deref()) delete known[other];
  const shared = createShared();
  known[id] = new WeakRef(shared);
  return shared;
}

function createShared(): SharedClient {
  let client: Client = IDLE;
  let connected: Connected | undefined;
  /** Of the mounted components, by number. The use of the last stays, so that `onOpen` can still send a login. */
  let uses: Record<number, Use> = {};
  let clock: Pick<typeof globalThis, "setTimeout" | "clearTimeout"> = globalThis;
  /** Set from the time when the last component goes until another comes. */
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    if (client !== IDLE) return;
    if (!Object.keys(uses)[0]) return;
    connected = connectFor(uses);
    client = connected.client;
    // A class of sockets may bring the client's clock; see `ConnectOptions.WebSocket`.
    clock = Reflect.get(connected.use.WebSocket ?? {}, Symbol.for("sendall.clock")) ?? globalThis;
  };
  const get = (_idle: Client, name: string | symbol): unknown => {
    if (name !== "status") open();
    const value = Reflect.get(client, name);
    return typeof value === "function" ? value.bind(client) : value;
  };
  return {
    client: new Proxy({ ...IDLE }, { get }),
    open(number) {
      open();
      if (connected) checkProtocol(uses, uses[number] ?? {}, connected.use.protocol);
    },
    join(number, use) {
      // The next page may speak another protocol.
      if (timer && use.protocol && use.protocol !== connected?.use.protocol) this.close();
      // May throw: React tells a component that fails in its first commit of no end.
      if (connected?.use.protocol) connected.hear(use);
      if (timer) for (const other in uses) delete uses[other];
      clock.clearTimeout(timer);
      timer = undefined;
      uses[number] = use;
    },
    leave(number) {
      if (Object.values(uses).length > 1) delete uses[number];
      // The timer holds the object. A component that is mounted after the end of the client gets a new client.
      else timer = clock.setTimeout(() => this.close(), client.state === "closed" ? 0 : CLOSE_AFTER_MS);
    },
    close() {
      client.close();
      client = IDLE;
      connected = undefined;
      // The former client keeps the last use: the callbacks of the next component are for the next client.
      uses = {};
    },
  };
}
