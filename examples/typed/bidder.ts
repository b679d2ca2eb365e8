// A client with the same protocol: names, payloads and answers are typed, and checked in both directions.
import { connect, type SendallError } from "sendall/client";
import { auction } from "./protocol.ts";

export interface BidderOptions {
  readonly nick: string;
  /** Most of what the bidder pays for a lot. */
  readonly limit: number;
  readonly log?: (line: string) => void;
}

/** Bids for whatever somebody else leads, as long as the price stays below the limit. */
export function startBidder(url: string, { nick, limit, log = () => {} }: BidderOptions) {
  const client = connect(`${url}?nick=${encodeURIComponent(nick)}`, {
    protocol: auction,
    // What was bid before: a call without payload.
    onOpen: async () => {
      for (const lot of await client.call("lots")) void outbid(lot.name, lot.price, lot.leader);
    },
    on: { price: ({ name, price, leader }) => void outbid(name, price, leader) },
    onError: (error) => log(error.message),
  });

  async function outbid(name: string, price: number, leader: string): Promise<void> {
    if (leader === "" || leader === nick || price >= limit) return;
    try {
      const lot = await client.call("bid", { name, amount: price + 1 }, { timeoutMs: 10_000 });
      log(`${lot.leader} bids ${lot.price} for the ${lot.name}`);
      client.send("cheer", { text: `${lot.name} for ${lot.price}!` });
    } catch (error) {
      const { reason, message } = error as SendallError;
      // Somebody was faster; the new price is on its way.
      if (reason !== "TOO_LOW") log(message);
    }
  }

  return client;
}
