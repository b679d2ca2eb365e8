/** The contract of the input that XState logic gets when the logic starts as a handler. */

import type { Bus } from "../../api/bus.js";
import type { ConnectionData, Params } from "../../api/connection.js";

/** The `input` of the logic. */
export interface LogicInput<D = ConnectionData, P = Params> {
  /** The bus of the logic's route or channel. */
  readonly bus: Bus<D, P>;
}
