/** A channel that is closed and opened again on a session: what the server sends to the first subscription does not reach the second. */
import { beforeEach, expect, test } from "vitest";
import type { Channel, Client } from "../../../src/client.js";
import { ClientStage, type KeptWelcome, settle } from "./stage.js";

const GREETED = ["open", "ann open"];

let stage: ClientStage;
let client: Client;
let second: Channel;

function open(): Channel {
  return client.channel("ann", {
    onOpen: () => stage.log.push("ann open"),
    onMessage: (data) => stage.log.push(`ann: ${data}`),
    onClose: ({ code }) => stage.log.push(`ann close ${code}`),
  });
}

beforeEach(async () => {
  stage = new ClientStage();
  client = stage.connect({
    reconnect: { maxMs: 1_000, jitter: 0 },
    onOpen: () => stage.log.push("open"),
    onMessage: (data) => stage.log.push(data),
  });
  const first = open();
  stage.socket.keep({});
  stage.socket.fail();
  await stage.pass(1_000);
  first.close();
  second = open();
  await settle();
  stage.take();
});

/** The session goes on. */
function goOn(details: Partial<KeptWelcome>): void {
  stage.socket.keep({ resumed: true, why: "resumed", received: 1, ...details });
  expect(stage.socket.sent.slice(1)).toEqual(["uns,ann", "uns,", "sub,ann"]);
}

test("ends by an end of its own alone", () => {
  goOn({});
  // The server ended the first before it read any of that.
  stage.socket.message("uns,ann");
  stage.socket.message("err,,not subscribed");
  stage.socket.message("msg,ann,hi");
  expect([second.state, stage.take()]).toEqual(["open", [...GREETED, "ann: hi"]]);
  stage.socket.message("uns,ann");
  expect([second.state, stage.take()]).toEqual(["closed", ["ann close 1000"]]);
});

test("gets messages of its own alone", () => {
  goOn({ replayed: 1 });
  stage.socket.message("msg,ann,missed");
  stage.socket.message("err,,not subscribed");
  stage.socket.message("msg,ann,hi");
  expect(stage.take()).toEqual([...GREETED, "ann: hi"]);
});

test("hears the server if messages are lost, perhaps the answer that its own messages follow among them", () => {
  goOn({ why: "gap", lost: 1, from: 1 });
  stage.socket.message("msg,ann,hi");
  expect(stage.take()).toEqual([...GREETED, "ann: hi"]);
});
