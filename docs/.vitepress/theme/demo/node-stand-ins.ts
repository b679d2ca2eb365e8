/**
 * What the server of the demo needs of Node, in a page: `sendall-in-a-page.ts` puts this file in the place of every `node:` module, and of the
 * globals `Buffer` and `process`. Only what a server in memory calls is here, and the bundler fails when an import has no stand-in.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The part of Node's `Buffer` that frames, ids and tokens use. */
export class Buffer extends Uint8Array<ArrayBuffer> {
  constructor(source: number | ArrayLike<number> | ArrayBuffer, offset?: number, length?: number) {
    super(source as ArrayBuffer, offset, length);
  }

  static override from(
    source: string | ArrayBuffer | ArrayLike<number> | Iterable<number>,
    offset?: unknown,
    length?: number,
  ): Buffer {
    if (source instanceof ArrayBuffer) return new Buffer(source, offset as number | undefined, length);
    if (typeof source !== "string") return new Buffer(Uint8Array.from(source as ArrayLike<number>));
    if (offset === "utf16le") return new Buffer(Uint16Array.from(source, (char) => char.charCodeAt(0)).buffer);
    if (offset === "latin1") return new Buffer(Uint8Array.from(source, (char) => char.charCodeAt(0)));
    return new Buffer(encoder.encode(source));
  }

  static alloc(bytes: number): Buffer {
    return new Buffer(bytes);
  }

  static allocUnsafe(bytes: number): Buffer {
    return new Buffer(bytes);
  }

  static byteLength(data: string | ArrayBufferView | ArrayBuffer): number {
    return typeof data === "string" ? encoder.encode(data).length : data.byteLength;
  }

  static isBuffer(value: unknown): boolean {
    return value instanceof Buffer;
  }

  override toString(encoding = "utf8", start = 0, end = this.length): string {
    const bytes = this.subarray(start, end);
    switch (encoding) {
      case "utf8":
        return decoder.decode(bytes);
      case "latin1":
        return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
      case "utf16le":
        return String.fromCharCode(...new Uint16Array(bytes.slice().buffer));
      case "hex":
        return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      case "base64url":
        return btoa(bytes.toString("latin1")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
      default:
        throw new Error(`Buffer.toString: the page has no "${encoding}"`);
    }
  }

  equals(other: Uint8Array): boolean {
    return this.length === other.length && this.every((byte, i) => byte === other[i]);
  }

  write(text: string, offset: number): number {
    return encoder.encodeInto(text, this.subarray(offset)).written;
  }

  writeUInt16BE(value: number, offset: number): number {
    return this.writeUIntBE(value, offset, 2);
  }

  writeUIntBE(value: number, offset: number, bytes: number): number {
    let rest = value;
    for (let at = offset + bytes; at > offset; rest = Math.floor(rest / 256)) this[--at] = rest % 256;
    return offset + bytes;
  }

  override subarray(start?: number, end?: number): Buffer {
    return super.subarray(start, end) as Buffer;
  }

  override slice(start?: number, end?: number): Buffer {
    return super.slice(start, end) as Buffer;
  }
}

export const process = {
  env: {} as Record<string, string | undefined>,
  execArgv: [],
  /** Failures of the demo's own handler go to the console of the page. */
  on(): void {},
  off(): void {},
  listeners: () => [],
  nextTick: queueMicrotask,
  pid: 0,
  stdout: {},
  stderr: {},
};

/** node:timers. A message port is as prompt as `setImmediate`; timers of a page are not. */
export function setImmediate<A extends unknown[]>(callback: (...given: A) => void, ...given: A): void {
  const { port1, port2 } = new MessageChannel();
  const onmessage = (): void => {
    port1.close();
    callback(...given);
  };
  Object.assign(port1, { onmessage });
  port2.postMessage(undefined);
}
export const { clearTimeout, performance } = globalThis;

/** node:async_hooks. The context ends with the call: what the handler of the demo leaves behind belongs to nobody. */
export class AsyncLocalStorage<T> {
  #store: T | undefined;

  getStore(): T | undefined {
    return this.#store;
  }

  run<A extends unknown[], R>(store: T, code: (...given: A) => R, ...given: A): R {
    const outer = this.#store;
    this.#store = store;
    try {
      return code(...given);
    } finally {
      this.#store = outer;
    }
  }
}
export class AsyncResource {
  runInAsyncScope<A extends unknown[], R>(code: (...given: A) => R, self: unknown, ...given: A): R {
    return code.apply(self, given);
  }
}
export const createHook = () => ({ enable() {}, disable() {} });

/** node:diagnostics_channel, to which nobody subscribes in a page. */
export const channel = () => ({ hasSubscribers: false, publish() {} });
export const tracingChannel = () => ({
  start: channel(),
  end: channel(),
  asyncStart: channel(),
  asyncEnd: channel(),
  error: channel(),
});

/** node:crypto */
export function randomFillSync<T extends Uint8Array<ArrayBuffer>>(bytes: T): T {
  return crypto.getRandomValues(bytes);
}
export const randomBytes = (bytes: number): Buffer => randomFillSync(Buffer.alloc(bytes));

/** node:util, node:net and node:os */
export const types = { isProxy: () => false };
export const isIPv4 = (text: string): boolean => /^[\d.]+$/.test(text);
export const isIPv6 = (text: string): boolean => text.includes(":");
export const hostname = () => "page";

/** pino: the demo logs nothing. */
export const pino = {
  levels: { values: { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } },
};

/** The rest belongs to options that the demo does not use: files, a log on a terminal, compression, addresses of IPv6, rooms of a cluster. */
const absent = (): never => {
  throw new Error("a page has no such part of Node");
};

export {
  absent as createHash,
  absent as deflateRawSync,
  absent as dirname,
  absent as fstatSync,
  absent as isatty,
  absent as isUtf8,
  absent as openSync,
  absent as resolve,
  absent as SocketAddress,
  absent as statSync,
  absent as writeSync,
};
export const constants = {};
