/** Delivers what other nodes keep where nothing is kept: without the option `history` a kept message is like any other. */
import type { Data } from "../../api/connection.js";
import type { KeptListener, LocalBus, OrderedMessage } from "../../cluster/remote-bus.js";
import type { Frame } from "../../transport/frame.js";

export class PlainDelivery implements KeptListener {
  readonly #encode: (data: Data) => Frame;
  readonly #bus: Pick<LocalBus, "deliver">;

  constructor(encode: (data: Data) => Frame, bus: Pick<LocalBus, "deliver">) {
    this.#encode = encode;
    this.#bus = bus;
  }

  receiveKept(room: string, { bytes, isBinary, source }: OrderedMessage): void {
    this.#bus.deliver(this.#encode(isBinary ? bytes : Buffer.from(bytes).toString()), [room], source);
  }

  /** Nothing is kept that could miss something. */
  onBreak(): void {}
}
