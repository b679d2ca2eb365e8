/**
 * The clients that components share, by id. A component that renders makes a shared client, which opens nothing until a component has been
 * mounted. A second after the last component has gone the connection is closed, so that the mount, unmount and mount of StrictMode, or a
 * change of page, open a single socket; a component that comes later opens the next. The registry keeps no shared client alive: a server
 * would never be told to forget.
 */
import {
  type Client,
  type ClientAddress,
  type ClientStatus,
  type ConnectOptions,
  connect,
  SendallError,
} from "../client.js";

/** What a component has given to `useClient`. */
export interface Use extends ConnectOptions {
  readonly url: ClientAddress | (() => ClientAddress | Promise<ClientAddress>);
}

/** A client for components. */
export interface SharedClient {
  /** Shows the present client, or an idle one. */
  readonly client: Client;
  /** A component is mounted, or has rendered again. @param number tells the component from others: parents come first */
  join(number: number, use: Use): void;
  /** A component has gone. */
  leave(number: number): void;
  /** Opens the connection, if there is none, and a component is mounted; throws what `connect` throws. */
  open(): void;
  /** Closes the connection. */
  close(): void;
}

const CLOSE_AFTER_MS = 1_000;

/** The status of a client that has not been opened. */
export const CONNECTING: ClientStatus = { state: "connecting", retryAt: undefined, resumed: false };

const CALLBACKS = ["onOpen", "onMessage", "onClose", "onError"] as const;

const IDLE: Client = {
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
  channel() {
    throw new SendallError("CLOSED", "channel: no component is mounted; use useEffect");
  },
};

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
  let client = IDLE;
  /** Of the mounted components, by number. The use of the last stays, so that `onOpen` can still send a login. */
  let uses: Record<number, Use> = {};
  let clock: Pick<typeof globalThis, "setTimeout" | "clearTimeout"> = globalThis;
  /** Set from the time when the last component goes until another comes. */
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    if (client !== IDLE) return;
    // An object lists whole numbers in their order.
    const given = Object.values(uses).reverse();
    if (!given[0]) return;
    const use: Use = Object.assign({}, ...given);
    // A class of sockets may bring the client's clock; see `ConnectOptions.WebSocket`.
    clock = Reflect.get(use.WebSocket ?? {}, Symbol.for("sendall.clock")) ?? globalThis;
    client = connectFor(uses, use);
  };
  const get = (_idle: Client, name: string | symbol): unknown => {
    if (name !== "status") open();
    const value = Reflect.get(client, name);
    return typeof value === "function" ? value.bind(client) : value;
  };
  return {
    client: new Proxy({ ...IDLE }, { get }),
    open,
    join(number, use) {
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
      // The former client keeps the last use: the callbacks of the next component are for the next client.
      uses = {};
    },
  };
}

/** @param given in a single object */
function connectFor(uses: Readonly<Record<number, Use>>, { url, ...options }: Use): Client {
  const latest = <K extends keyof Use>(name: K): Use[K] | undefined =>
    Object.values(uses).find((use) => use[name] !== undefined)?.[name];
  // Callbacks are taken from the components at each call. What is no function is left for `connect` to refuse.
  for (const name of CALLBACKS)
    if (typeof (options[name] ?? print) === "function")
      Object.assign(options, { [name]: (argument: never) => (latest(name) ?? print)(argument) });
  const askUrl = (): ClientAddress | Promise<ClientAddress> => {
    // The id says whether the address is a function.
    const now = latest("url") ?? "";
    return typeof now === "function" ? now() : now;
  };
  return connect(typeof url === "function" ? askUrl : url, options);
}

/** Without a callback nothing is done, but exceptions of other callbacks go to the console, as those of `connect` do. */
function print(argument: unknown): void {
  if (Object(argument).code === "CALLBACK_FAILED") console.error(argument);
}
