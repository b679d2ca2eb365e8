/** A handler with a state of its own, as the handler actor runs it: the state changes only when an event succeeds. */
import type { Runner, RunnerHost } from "../bus/runner.js";
import type { StatefulHandler } from "../contracts.js";
import { isControl } from "../events.js";

export function runStateful(handler: StatefulHandler, { bus }: RunnerHost): Runner {
  let state: unknown;
  return {
    concurrency: "serial",
    hearsPings: false,
    async init() {
      state = await handler.init(bus);
    },
    handle: (event, givenBus) => (isControl(event) ? undefined : handler.handle(event, state, givenBus)),
    settled(next) {
      if (next !== undefined) state = next;
    },
    stop: () => handler.stop?.(state, bus),
  };
}
