// @ts-check
/**
 * Loaded into each program of the documentation before the program itself: whatever port the program asks for, it gets a free one at
 * 127.0.0.1, and tells the test which one it is. So pages can say 8080, as a reader would, and tests disturb nobody.
 */
import { writeSync } from "node:fs";
import { Server } from "node:net";

const { listen } = Server.prototype;

/**
 * @this {Server}
 * @param {any[]} args
 */
Server.prototype.listen = function (...args) {
  const [first] = args;
  const isOptions = typeof first === "object" && first !== null && "port" in first;
  const asked = Number(isOptions ? first.port : first);
  // A path, a handle or a file descriptor.
  if (!isOptions && !(typeof first === "number" || /^\d+$/.test(String(first))))
    return Reflect.apply(listen, this, args);
  const callback = args.find((arg) => typeof arg === "function");
  const { backlog, signal } = isOptions ? first : { backlog: undefined, signal: undefined };
  this.once("listening", () => {
    const address = this.address();
    if (typeof address !== "object" || address === null) return;
    const line = `[listens ${asked} ${address.port}]\n`;
    // Two passes later: a program that throws as soon as it listens has ended by then, and told nobody.
    setImmediate(() => setImmediate(() => writeSync(2, line)));
  });
  return Reflect.apply(listen, this, [{ port: 0, host: "127.0.0.1", backlog, signal }, callback]);
};
