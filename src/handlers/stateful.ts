/** The runner of a handler with a state. The state changes only after an event has succeeded, and ends with the runner. */

import { isControl } from "../actors/route/mailbox-event.js";
import type { Runner } from "../actors/route/runner.js";
import type { RunnerHost } from "../actors/route/runner-host.js";
import type { StatefulHandler } from "../api/handler.js";
import { repeatable } from "./repeatable.js";

export function runStateful(handler: StatefulHandler, { bus }: RunnerHost): Runner {
  let state: unknown;
  return {
    concurrency: "serial",
    hearsPings: false,
    init: repeatable(
      () => handler.init(bus),
      (first) => {
        state = first;
      },
    ),
    handle: (event, givenBus) => (isControl(event) ? undefined : handler.handle(event, state, givenBus)),
    settled(next) {
      if (next !== undefined) state = next;
    },
    stop: () => handler.stop?.(state, bus),
  };
}
