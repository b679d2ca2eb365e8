/** A handler that fails when it is asked to, and its failures as lines. */
import type { Bus, ServerEvent } from "sendall";
import type { TestRuntime } from "sendall/testing";

export function failOn(event: ServerEvent): void {
  if (event.type === "message" && event.text.startsWith("throw")) throw new Error(event.text);
  if (event.type === "info") throw new Error(String(event.data));
}

/** Answers each message, but for one that is told to hang. */
export async function hangOn(event: ServerEvent, bus: Bus): Promise<void> {
  if (event.type !== "message") return;
  if (event.text === "hang") await bus.sleep(60_000);
  else bus.unicast(event.text, event.connection);
}

/** Each failure as a line. */
export function failures(runtime: TestRuntime): string[] {
  return runtime.server
    .stats()
    .failures.map(({ event, error }) => `${event}: ${error instanceof Error && error.message}`);
}
