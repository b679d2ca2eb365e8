/** The hooks of `sendall/react` on a server, with React 18 and React 19: nothing is opened, and the page takes over without a mismatch. */
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { CHROMIUM_FLAGS } from "./chromium.js";
import { load, openPage, VERSIONS } from "./react-page.js";
import { requires } from "./requires.js";

/** The component of server and page. */
const APP = `
const App = ({ WebSocket, log = [] }) => {
  const client = useClient("ws://127.0.0.1:9/chat", { WebSocket });
  const { state, retryAt, resumed } = useClientState(client);
  const list = useMessages(client, (list, message) => [...list, message], ["start"]);
  log.push(client, client.send("x"), client.close(), client.state, client.pending, client.bufferedAmount, client.protocol);
  client.on("message", () => {})();
  client.subscribe(() => {})();
  return h("p", null, [state, retryAt, resumed, list].join());
};`;

/** What the server makes of the component, and what has happened. */
interface Rendered {
  readonly html: string;
  readonly streamed: string;
  readonly log: readonly unknown[];
  readonly sockets: number;
}

const SERVER = `
import * as React from "react";
import { renderToPipeableStream, renderToString } from "react-dom/server";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { useClient, useClientState, useMessages } from "sendall/react";

const { createElement: h } = React;
${APP}
let sockets = 0;
class Recorder {
  constructor() { sockets++; }
  addEventListener() {}
  close() {}
}
const log = [];
const html = renderToString(h(React.StrictMode, null, h(App, { WebSocket: Recorder, log })));
const sink = new PassThrough();
renderToPipeableStream(h(App, { WebSocket: Recorder })).pipe(sink);
export const rendered = { html, streamed: await text(sink), log: log.slice(1), sockets };
`;

const program = requires("chromium");

describe.each(VERSIONS)("on a server, React %s", (version) => {
  test("renders a client that is connecting, opens nothing and complains of nothing", async () => {
    const complaints: unknown[] = [];
    const { error } = console;
    console.error = (...words) => complaints.push(words);
    onTestFinished(() => {
      console.error = error;
    });
    const { rendered } = await load<{ rendered: Rendered }>(version, SERVER);
    expect(rendered).toEqual({
      html: "<p>connecting,,false,start</p>",
      streamed: "<p>connecting,,false,start</p>",
      log: [false, false, "connecting", 0, 0, ""],
      sockets: 0,
    });
    expect(complaints).toEqual([]);
  });

  test("forgets the clients of what was rendered", async () => {
    const { heldAfter } = await load<{ heldAfter(count: number): Promise<number> }>(
      version,
      `
      import { createElement as h } from "react";
      import { renderToString } from "react-dom/server";
      import { setFlagsFromString } from "node:v8";
      import { runInNewContext } from "node:vm";
      import { useClient } from "sendall/react";
      setFlagsFromString("--expose-gc");
      const collect = runInNewContext("gc");
      const App = ({ n }) => { references.push(new WeakRef(useClient("ws://127.0.0.1:9/" + n))); return null; };
      const references = [];
      export async function heldAfter(count) {
        for (let n = 0; n < count; n++) renderToString(h(App, { n }));
        await new Promise(setImmediate);
        collect();
        return references.filter((reference) => reference.deref()).length;
      }`,
    );
    // The last rendering may still lie on the stack.
    expect(await heldAfter(100)).toBeLessThan(5);
  });

  describe.skipIf(program.skip)("in Chromium", () => {
    let browser: Browser;

    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: program.path, args: [...CHROMIUM_FLAGS] });
    });

    afterAll(() => browser?.close());

    test("hydrates without a mismatch, and then opens one socket", async () => {
      const html = "<p>connecting,,false,start</p><b>connecting</b>";
      const { run } = await openPage(browser, version, { html });
      const result = await run(`
        const recovered = [];
        const App = () => {
          const client = useClient("/echo");
          const { state, retryAt, resumed } = useClientState(client);
          const list = useMessages(client, (list, message) => [...list, message], ["start"]);
          return h("p", null, [state, retryAt, resumed, list].join());
        };
        const State = () => h("b", null, useClientState(useClient("/echo")).state);
        const before = document.querySelector("p");
        hydrateRoot(document.querySelector("main"), [h(StrictMode, { key: 1 }, h(App)), h(State, { key: 2 })], {
          onRecoverableError: (error) => recovered.push(error.message),
        });
        await until(() => text() === "open,,false,startopen");
        return [recovered, errors, complaints, sockets.length, before === document.querySelector("p")]`);
      expect(result).toEqual([[], [], [], 1, true]);
    });
  });
});
