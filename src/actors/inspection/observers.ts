/**
 * Observers of our actors, guarded. XState calls whoever inspects a system within the step of the actor that is seen, so what an
 * observer throws would end that step; what a subscriber of an actor throws, XState raises outside of everything, which ends a
 * Node process. Used by the server for `server.actor` and by the client for `client.actor`.
 */
import type { AnyActorRef, InspectionEvent, Observer, Subscription } from "xstate";
import { isPromiseLike } from "../../runtime/promises.js";

/** Told of the first failure of each observer; `what` is the call that has let the observer in. */
export type ObserverFailed = (error: unknown, what: "inspect" | "subscribe") => void;

/** What `system.inspect` takes. */
export type Inspector = Parameters<AnyActorRef["system"]["inspect"]>[0];

/** One method of an observer, which goes on being called after a failure. */
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
 * An inspector that never throws. What it causes itself (it sends a message, say) is not shown to it: each event would cause the
 * next, without end.
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

/** From now on nothing that a subscriber of the actor throws is raised. */
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

/** From now on nothing that anybody throws who inspects the actor's system, or subscribes to the actor, harms anyone. */
export function guardObservers(actor: AnyActorRef, onFailed: ObserverFailed): void {
  const { system } = actor;
  const inspect = system.inspect.bind(system);
  system.inspect = (inspector) => inspect(guardInspector(inspector, onFailed));
  guardSubscribers(actor, onFailed);
}
