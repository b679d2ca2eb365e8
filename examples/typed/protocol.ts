// What bidders and the auction say to each other, in zod. Both sides import this file; a page could, too.
import { protocol } from "sendall/protocol";
import { z } from "zod";

const lot = z.object({ name: z.string(), price: z.int(), leader: z.string() });
const amount = z.int().positive().max(1_000_000);

export const auction = protocol({
  fromClient: {
    /** A call without payload. */
    lots: { input: z.undefined(), output: z.array(lot) },
    bid: { input: z.object({ name: z.string(), amount }), output: lot },
    /** A message: nobody waits for an answer. */
    cheer: z.object({ text: z.string().trim().min(1).max(200) }),
  },
  fromServer: {
    price: lot,
    cheered: z.object({ nick: z.string(), text: z.string() }),
  },
});
