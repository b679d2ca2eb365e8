/**
 * The promise behind `opened` of a client or a channel: settled once, by the first opening or by an end before the first opening. A
 * rejection without a listener does not end the process.
 */
export class OpenedPromise {
  readonly promise: Promise<void>;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.promise.catch(() => {});
  }

  resolve(): void {
    this.#resolve();
  }

  /** Called at the end of a client or channel; no effect after `resolve`. */
  reject(error: Error): void {
    this.#reject(error);
  }
}
