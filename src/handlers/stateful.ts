/** A handler with a state of its own, as the handler actor runs it: the state changes only when an event succeeds. */

import { isControl } from "../actors/route/mailbox-event.js";
import type { Runner } from "../actors/route/runner.js";
import type { RunnerHost } from "../actors/route/runner-host.js";
import type { StatefulHandler } from "../api/handler.js";

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
