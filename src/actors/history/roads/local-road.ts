/** The road on one node: the store answers with the position at once, and the members get the message in the same stack. */
import type { Receipt } from "../../../api/bus.js";
import { append, type KeptMessage, type Road, type RoadParts } from "./road.js";

export class LocalRoad implements Road {
  readonly isDelayed = false;
  readonly #parts: RoadParts;

  constructor(parts: RoadParts) {
    this.#parts = parts;
  }

  send(message: KeptMessage): Receipt {
    const position = append(message, this.#parts);
    const { deliver, frames } = this.#parts;
    const { room, plain, bytes, source } = message;
    const receipt = deliver(frames.make(plain, bytes, position), room, source, position);
    return position === undefined ? receipt : { ...receipt, position };
  }

  ready(): undefined {}

  onOccupied(): void {}

  onEmptied(): void {}

  stop(): void {}
}
