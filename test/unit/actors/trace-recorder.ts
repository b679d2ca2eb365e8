/** Subscribes to the diagnostics channels for the length of a test, and keeps what is published. */
import { type ChannelListener, subscribe, unsubscribe } from "node:diagnostics_channel";
import type { TracedEvent } from "sendall";
import { onTestFinished } from "vitest";

/** Calls `listener` for each message of a channel until the test is over. */
export function listen(channel: string, listener: ChannelListener): void {
  subscribe(channel, listener);
  onTestFinished(() => void unsubscribe(channel, listener));
}

/** The messages of a channel, from now on. */
export function record<M>(channel: string): M[] {
  const messages: M[] = [];
  listen(channel, (message) => void messages.push(message as M));
  return messages;
}

/** Steps of `tracingChannel("sendall.handle")`, in order. */
export type Step = "start" | "end" | "asyncStart" | "asyncEnd" | "error";
export const STEPS: readonly Step[] = ["start", "end", "asyncStart", "asyncEnd", "error"];

export interface RecordedStep {
  readonly step: Step;
  readonly message: TracedEvent;
}

export function recordSteps(): RecordedStep[] {
  const steps: RecordedStep[] = [];
  for (const step of STEPS)
    listen(`tracing:sendall.handle:${step}`, (message) => void steps.push({ step, message: message as TracedEvent }));
  return steps;
}

/** The steps of each event by its type, `"message: start end"`, in the order of the starts. */
export function told(steps: readonly RecordedStep[]): string[] {
  const byEvent = new Map<TracedEvent, string>();
  for (const { step, message } of steps)
    byEvent.set(message, `${byEvent.get(message) ?? `${message.event.type}:`} ${step}`);
  return [...byEvent.values()];
}
