/** The input of the logic that runs as a handler. */

import type { Bus } from "../../api/bus.js";
import type { ConnectionData, Params } from "../../api/connection.js";

/** What the logic finds as its `input`. */
export interface LogicInput<D = ConnectionData, P = Params> {
  /** What the logic sends with. */
  readonly bus: Bus<D, P>;
}
