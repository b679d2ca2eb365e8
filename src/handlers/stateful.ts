/** A handler with a state of its own, as the handler actor runs it: the state changes only when an event succeeds. */
import type { Runner, StatefulHandler } from "../contracts.js";

export function runStateful(handler: StatefulHandler): Runner {
  let state: unknown;
  return {
    async init(bus) {
      state = await handler.init(bus);
    },
    handle: (event, bus) => handler.handle(event, state, bus),
    settled(next) {
      if (next !== undefined) state = next;
    },
    stop: (bus) => handler.stop?.(state, bus),
  };
}
