/** Types that help TypeScript to infer `connection.data` where a maker of handlers is called inside the options of a server. */

declare const impossible: unique symbol;

/** A type without values: no call can match a signature with such a parameter. */
export interface Impossible<D> {
  readonly [impossible]: D;
}

/**
 * The result of the first signature of `fromLogic`, `perConnection`, `channels` and `handler` of a protocol, for the compiler only.
 * TypeScript infers the type of a call that may return a function last, after the rest of the options (above all `authorize`).
 */
export type ResolvedLast<D> = () => D;
