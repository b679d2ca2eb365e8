/** The table of subscriptions against an engine whose answers are in the hands of the test. */
import { expect, test } from "vitest";
import type { ClusterLink } from "../../../src/api/cluster-adapter.js";
import type { LocalBus } from "../../../src/cluster/remote-bus.js";
import { type Destination, Subscriptions } from "../../../src/cluster/subscriptions.js";

const TEA: Destination = { bus: {} as LocalBus, scope: "@", room: "tea" };

interface Answer {
  readonly confirm: () => void;
  readonly refuse: () => void;
}

interface Table {
  readonly subscriptions: Subscriptions;
  readonly link: ClusterLink;
  readonly answers: Answer[];
  readonly events: string[];
}

function table(): Table {
  const answers: Answer[] = [];
  const events: string[] = [];
  const subscriptions = new Subscriptions("node", {
    onConfirmed: ({ room }) => events.push(`confirmed ${room}`),
    onUnsubscribed: (subject) => events.push(`unsubscribed ${subject}`),
    onRefused: (_error, subjects) => events.push(`refused ${subjects.join(" ")}`),
  });
  const link: ClusterLink = {
    maxPacketBytes: 1,
    publish: () => true,
    flush() {},
    subscribe: () =>
      new Promise((resolve, reject) => answers.push({ confirm: resolve, refuse: () => reject(new Error("no")) })),
    unsubscribe() {},
    close: async () => {},
  };
  return { subscriptions, link, answers, events };
}

/** What the engine has answered goes on in a chain of promises. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await undefined;
}

test("a room that emptied and filled while the engine was asked is heard when the engine has confirmed the last subscription", async () => {
  const { subscriptions, link, answers, events } = table();
  for (const destination of [TEA, undefined, TEA]) {
    subscriptions.want("tea", destination);
    subscriptions.applyChanges(link);
  }
  answers[0]?.confirm();
  await settle();
  expect([subscriptions.isConfirmed("tea"), subscriptions.isAwaited("tea")]).toEqual([false, true]);
  answers[1]?.confirm();
  await settle();
  expect(subscriptions.isConfirmed("tea")).toBe(true);
  expect(events).toEqual(["unsubscribed tea", "confirmed tea"]);
});

test("what the engine confirms after the link went down is not heard", async () => {
  const { subscriptions, link, answers, events } = table();
  subscriptions.want("tea", TEA);
  subscriptions.applyChanges(link);
  subscriptions.onLinkDown();
  answers[0]?.confirm();
  await settle();
  expect(subscriptions.isConfirmed("tea")).toBe(false);
  expect(events).toEqual([]);
});

test("what is refused late, because the link went down meanwhile, leaves the new subscription alone", async () => {
  const { subscriptions, link, answers, events } = table();
  subscriptions.want("tea", TEA);
  subscriptions.applyChanges(link);
  subscriptions.onLinkDown();
  void subscriptions.resubscribe(link);
  answers[1]?.confirm();
  await settle();
  answers[0]?.refuse();
  await settle();
  expect(subscriptions.isConfirmed("tea")).toBe(true);
  expect(events).toEqual(["confirmed tea"]);
});
