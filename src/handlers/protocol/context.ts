/** The second argument of the functions of a protocol's handler. Each event has a context of its own. */
import type { Bus } from "../../api/bus.js";
import type { Connection } from "../../api/connection.js";

/** The state of a handler with `init`. */
export interface StateCell {
  state: unknown;
}

/** The context of a handler without a state. */
export interface EventContext {
  readonly connection: Connection | undefined;
  readonly bus: Bus;
}

/** Holds the next state until the event has succeeded. */
export class StateContext implements EventContext {
  readonly connection: Connection | undefined;
  readonly bus: Bus;
  /** A field, so that a function may take `setState` out of the context. */
  readonly setState: (next: unknown) => void;
  readonly #cell: StateCell;
  #next: unknown;
  #isSet = false;

  constructor(connection: Connection | undefined, bus: Bus, cell: StateCell) {
    this.connection = connection;
    this.bus = bus;
    this.#cell = cell;
    this.setState = (next) => {
      this.#next = next;
      this.#isSet = true;
    };
  }

  get state(): unknown {
    return this.#isSet ? this.#next : this.#cell.state;
  }

  /** The event has succeeded. */
  keep(): void {
    if (this.#isSet) this.#cell.state = this.#next;
  }
}
