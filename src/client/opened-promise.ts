/** The promise of a first opening, of a client or a channel. That nobody looks at it is no reason to end a process. */
export class Opening {
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

  opened(): void {
    this.#resolve();
  }

  /** It will not open any more; means nothing if it has. */
  failed(error: Error): void {
    this.#reject(error);
  }
}
