// The auction's handler. Every payload has been checked before a function sees it, and its type is that of the schema.
import type { Handler } from "sendall";
import { refuse } from "sendall/protocol";
import { auction } from "./protocol.ts";

interface Lot {
  readonly name: string;
  readonly price: number;
  readonly leader: string;
}

export interface Bidder {
  readonly nick: string;
}

const { price, cheered } = auction.fromServer;

export function createAuction(lots: readonly Lot[]): Handler<Bidder> {
  return auction.handler({
    init: () => new Map(lots.map((lot) => [lot.name, lot])) as ReadonlyMap<string, Lot>,

    lots: (_nothing, { state }) => [...state.values()],

    bid({ name, amount }, { connection, bus, state, setState }) {
      const lot = state.get(name);
      if (lot === undefined) throw refuse("NO_SUCH_LOT", `there is no ${name}`);
      // What the client gets beside the reason, so that its program need not read a sentence.
      if (amount <= lot.price) throw refuse("TOO_LOW", `${name} is at ${lot.price}`, { price: lot.price });
      const sold = { name, price: amount, leader: connection.data.nick };
      setState(new Map(state).set(name, sold));
      bus.sendall(price(sold));
      // The answer goes out behind the new price: whoever has it has seen the price, too.
      return sold;
    },

    cheer({ text }, { connection, bus }) {
      bus.broadcast(cheered({ nick: connection.data.nick, text }), connection);
    },
  });
}
