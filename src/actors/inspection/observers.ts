/**
 * Guards against observers of our actors. XState calls inspectors within the step of the inspected actor, so an exception from an
 * inspector would end the step; XState raises an exception from a subscriber as uncaught, which ends a Node process. The server
 * guards `server.actor` for as long as the actor lives.
 */
import type { AnyActorRef, InspectionEvent, Observer, Subscription } from "xstate";
import { isPromiseLike } from "../../runtime/promises.js";

/** Called at the first failure of each observer; `what` is the method by which the observer came in. */
export type ObserverFailed = (error: unknown, what: "inspect" | "subscribe") => void;

/** The argument of `system.inspect`. */
export type Inspector = Parameters<AnyActorRef["system"]["inspect"]>[0];

/** Wraps a method of an observer; the method is still called after a failure. */
type Guard = <A extends unknown[]>(method: ((...args: A) => unknown) | undefined) => ((...args: A) => void) | undefined;

function createGuard(what: "inspect" | "subscribe", onFailed: ObserverFailed, self: unknown): Guard {
  let hasFailed = false;
  const failed = (error: unknown): void => {
    if (hasFailed) return;
    hasFailed = true;
    onFailed(error, what);
  };
  return (method) =>
    method &&
    ((...args) => {
      try {
        const result = method.apply(self, args);
        if (isPromiseLike(result)) Promise.resolve(result).catch(failed);
      } catch (error) {
        failed(error);
      }
    });
}

/**
 * Wraps an inspector so as never to throw. Events caused by the inspector itself (by sending a message, say) are not shown to the
 * inspector: each event would cause the next, without end.
 */
export function guardInspector(inspector: Inspector, onFailed: ObserverFailed): (event: InspectionEvent) => void {
  const isFunction = typeof inspector === "function";
  const guard = createGuard("inspect", onFailed, isFunction ? undefined : inspector);
  const next = guard(isFunction ? inspector : inspector.next);
  let isInside = false;
  return (event) => {
    if (isInside) return;
    isInside = true;
    try {
      next?.(event);
    } finally {
      isInside = false;
    }
  };
}

/** From now on, exceptions from subscribers of the actor are reported and not raised. */
export function guardSubscribers(actor: AnyActorRef, onFailed: ObserverFailed): void {
  const subscribe: (observer: Observer<unknown>) => Subscription = actor.subscribe.bind(actor);
  actor.subscribe = (
    observer: Observer<unknown> | ((snapshot: unknown) => void),
    error?: (error: unknown) => void,
    complete?: () => void,
  ): Subscription => {
    const isObject = typeof observer === "object";
    const methods: Observer<unknown> = isObject
      ? observer
      : { ...(observer && { next: observer }), ...(error && { error }), ...(complete && { complete }) };
    const guard = createGuard("subscribe", onFailed, isObject ? observer : undefined);
    const [next, failed, ended] = [guard(methods.next), guard(methods.error), guard(methods.complete)];
    return subscribe({ ...(next && { next }), ...(failed && { error: failed }), ...(ended && { complete: ended }) });
  };
}
