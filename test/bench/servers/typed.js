// @ts-check
/** An echo as a protocol has it, with schemas by hand and of zod, and the check that a program without a protocol does by hand. */
import { presence } from "./tell.js";

/** @typedef {{ nick: string, text: string, at: number }} Saying */

/**
 * @param {any} value
 * @returns {value is Saying}
 */
export function isSaying(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof value.nick === "string" &&
    value.nick.length <= 100 &&
    typeof value.text === "string" &&
    value.text.length <= 1_000 &&
    typeof value.at === "number"
  );
}

/** @type {import("sendall/protocol").Schema<Saying>} */
const saying = {
  "~standard": {
    version: 1,
    vendor: "bench",
    validate: (value) => (isSaying(value) ? { value } : { issues: [{ message: "expected a saying" }] }),
  },
};

/** @param {(name: string) => Promise<any>} load of Sendall's own packages */
export async function typedHandlers(load) {
  /** @type {typeof import("sendall/protocol")} */
  const { protocol } = await load("sendall/protocol");
  /** @type {typeof import("zod")} */
  const { z } = await load("zod");
  const sayingOfZod = z.object({ nick: z.string().max(100), text: z.string().max(1_000), at: z.number() });
  /** @param {import("sendall/protocol").Schema<Saying>} schema */
  const echo = (schema) => {
    const chat = protocol({ fromClient: { say: schema }, fromServer: { said: schema } });
    const { said } = chat.fromServer;
    return chat.handler({
      open: presence.came,
      say(payload, { connection }) {
        connection.send(said(payload));
      },
      closed: presence.left,
    });
  };
  return { byHand: echo(saying), zod: echo(sayingOfZod) };
}
