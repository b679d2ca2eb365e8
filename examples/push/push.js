// @ts-check
// The handler of the push example: what the program tells it, it passes on, and keeps the last for those who come later.
//
// To everybody go   {type: "price", item, cents}   and   {type: "news", text, at}

const MAX_NEWS = 10;

/**
 * @typedef {{ type: "price", item: string, cents: number }} Price
 * @typedef {{ type: "news", text: string }} News What `server.tell` is given; the time is added here.
 * @typedef {{ readonly prices: Readonly<Record<string, string>>, readonly news: readonly string[] }} State messages as they went out
 */

/** @returns {import("sendall").StatefulHandler<State>} */
export function createPush() {
  return {
    init: () => ({ prices: {}, news: [] }),
    handle(event, { prices, news }, bus) {
      if (event.type === "open")
        for (const message of [...Object.values(prices), ...news]) bus.unicast(message, event.connection);
      if (event.type !== "info") return;
      // Only our own program tells us anything, so this is what it says it is.
      const told = /** @type {Price | News} */ (event.data);
      const message = JSON.stringify(told.type === "news" ? { ...told, at: bus.now() } : told);
      bus.sendall(message);
      if (told.type === "price") return { prices: { ...prices, [told.item]: message }, news };
      return { prices, news: [...news, message].slice(-MAX_NEWS) };
    },
  };
}
