/** Tells a connection that shows something from a program that shows something for the connection, whose page does not know yet. */
import { currentRunContext } from "../../runtime/unhandled-rejections.js";
import type { Cause } from "./audience.js";

/** @returns the connection itself, unless the handler runs in an event of another connection or of none */
export function causeOfShow({ id }: { readonly id: string }): Cause {
  const running = currentRunContext()?.owner;
  if (running === undefined || running.connection === id) return { id, isLocal: true };
  return { id: running.connection ?? id, isLocal: true, isForAll: true };
}
