/** What the components that share a client have given, and the connection for these components. */
import {
  type Client,
  type ClientAddress,
  type ClientProtocol,
  type ConnectOptions,
  connect,
  type ProtocolSpec,
  SendallError,
} from "../client.js";
import { check } from "./check.js";

type Listener = (payload: never) => unknown;

/** What a component has given to `useClient`. */
export interface Use extends ConnectOptions {
  readonly url: ClientAddress | (() => ClientAddress | Promise<ClientAddress>);
  readonly protocol?: ClientProtocol<ProtocolSpec> | undefined;
  readonly on?: Readonly<Record<string, Listener | undefined>> | undefined;
  readonly calls?: object | undefined;
}

/** The uses of the mounted components, by number: an object lists whole numbers in their order. */
export type Uses = Readonly<Record<number, Use>>;

/** A client, as its components need the client. */
export interface Connected {
  readonly client: Client;
  /** What the components gave, in a single object. */
  readonly use: Use;
  /** Hears the names that a component has in `on`, unless heard already. */
  hear(use: Use): void;
}

const CALLBACKS = ["onOpen", "onMessage", "onClose", "onError"] as const;

/** Connects with the options of components. Callbacks and listeners are taken from the components at each call. */
export function connectFor(uses: Uses): Connected {
  const given = Object.values(uses).reverse().flatMap(Object.entries);
  const use = Object.fromEntries(given.filter(([, value]) => value !== undefined)) as unknown as Use;
  const { url, ...options } = use;
  const latest = <T>(read: (use: Use) => T | undefined): T | undefined =>
    Object.values(uses)
      .map(read)
      .find((value) => value !== undefined);
  // What is no function is left for `connect` to refuse.
  for (const name of CALLBACKS)
    if (typeof (options[name] ?? print) === "function")
      Object.assign(options, { [name]: (argument: never) => (latest((use) => use[name]) ?? print)(argument) });
  const askUrl = (): ClientAddress | Promise<ClientAddress> => {
    // The id says whether the address is a function.
    const now = latest((use) => use.url) ?? "";
    return typeof now === "function" ? now() : now;
  };
  const tell = (name: string) => (payload: never) => latest((use) => listenersOf(use).get(name))?.(payload);
  const heard = new Map(Object.values(uses).flatMap((use) => [...listenersOf(use)]));
  const on = Object.fromEntries(
    [...heard].map(([name, given]) => [name, typeof given === "function" ? tell(name) : given]),
  );
  if (typeof options.on === "object") Object.assign(options, { on });
  const client = connect(typeof url === "function" ? askUrl : url, options as ConnectOptions);
  return {
    client,
    use,
    hear(use) {
      for (const [name, listener] of listenersOf(use))
        if (listener !== undefined && !heard.get(name)) {
          check(`on.${name}`, listener, "function", "a function");
          client.on(name as "open", tell(name) as () => unknown);
          heard.set(name, listener);
        }
    },
  };
}

/** The listeners by name: a protocol may call a message `constructor`. */
function listenersOf({ on }: Use): Map<string, Listener | undefined> {
  return new Map(Object.entries(Object(on)));
}

/** Throws `BAD_OPTION` unless a component, if typed, has the protocol of its client, and of other components. */
export function checkProtocol(uses: Uses, { protocol, on }: Partial<Use>, spoken: Use["protocol"]): void {
  const isOther = Object.values(uses).some((use) => (use.protocol ?? protocol) !== (protocol ?? use.protocol));
  const isLate = (protocol ?? on) !== undefined && !spoken;
  const problem = isOther
    ? "expected the object that the other components give"
    : "the other components have made the client without";
  if (isOther || isLate)
    throw new SendallError("BAD_OPTION", `protocol: ${problem}; another key is another client`, { option: "protocol" });
}

/** Without a callback nothing is done, but exceptions of other callbacks go to the console, as those of `connect` do. */
function print(argument: unknown): void {
  if (Object(argument).code === "CALLBACK_FAILED") console.error(argument);
}
