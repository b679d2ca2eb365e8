// @ts-check
/**
 * The cheapest WebSocket client there is: a TCP socket, the handshake written by hand, then bytes. All sockets of the process
 * read into the same buffer, so nothing is allocated for what arrives.
 */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";

/** @typedef {(bytes: number, buffer: Buffer) => void} OnBytes so many bytes at the start of a buffer that is used again */

const HOST = "127.0.0.1";
const HEAD_END = "\r\n\r\n";
const SWITCHING = "HTTP/1.1 101 ";
const READ_BUFFER = Buffer.alloc(65_536);

/** @param {number} port */
function handshake(port) {
  return [
    "GET / HTTP/1.1",
    `Host: ${HOST}:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Version: 13",
  ]
    .join("\r\n")
    .concat(HEAD_END);
}

export class RawSocket {
  #socket;

  /** @param {import("node:net").Socket} socket */
  constructor(socket) {
    this.#socket = socket;
  }

  /**
   * @param {number} port
   * @param {{ readonly onBytes: OnBytes, readonly onEnd: (why: string) => void }} listeners
   * @returns {Promise<RawSocket>} once the server has switched protocols
   */
  static open(port, { onBytes, onEnd }) {
    return new Promise((resolve, reject) => {
      let head = "";
      let isOpen = false;
      /** @param {number} bytes */
      const callback = (bytes) => {
        if (isOpen) onBytes(bytes, READ_BUFFER);
        else {
          head += READ_BUFFER.toString("latin1", 0, bytes);
          if (head.includes(HEAD_END)) onHead();
        }
        return true;
      };
      const onHead = () => {
        // Nobody publishes before all are connected, so nothing can follow the head.
        isOpen = head.startsWith(SWITCHING) && head.endsWith(HEAD_END);
        if (isOpen) resolve(new RawSocket(socket));
        else reject(new Error(`the handshake was answered with: ${head.slice(0, 200)}`));
      };
      const socket = connect({ host: HOST, port, onread: { buffer: READ_BUFFER, callback } });
      // A burst is written when the one before is not acknowledged: Nagle's algorithm would hold it back.
      socket.setNoDelay();
      socket.on("error", (error) => (isOpen ? onEnd(error.message) : reject(error)));
      socket.on("close", () => (isOpen ? onEnd("the server closed it") : reject(new Error("closed in the handshake"))));
      socket.write(handshake(port));
    });
  }

  /** @param {Buffer} bytes */
  write(bytes) {
    this.#socket.write(bytes);
  }
}
