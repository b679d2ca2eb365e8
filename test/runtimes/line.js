/** A line between a client and a server, which a sentence cuts. */
import { once } from "node:events";
import { connect, createServer } from "node:net";

/**
 * @param {import("./stage.js").Stage} stage
 * @param {number} port
 */
export async function openLine(stage, port) {
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      if (from === undefined || to === undefined) continue;
      sockets.add(from);
      from.on("error", () => {});
      from.on("data", (chunk) => to.write(chunk));
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  stage.atEnd(() => {
    server.close();
    cut();
  });
  return {
    url: `ws://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`,
    /** Ends what is connected; nothing gets through until `mend`. */
    cut() {
      isCut = true;
      cut();
    },
    mend() {
      isCut = false;
    },
  };
}
