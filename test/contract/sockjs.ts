/** A client of SockJS over HTTP for the stage of the contract: receives by one transport, sends as every client does. */
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";

/** One request for frames, and what becomes of it. */
interface Asked {
  readonly request: ClientRequest;
  response: IncomingMessage | undefined;
}

export class SockJsClient {
  readonly received: string[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly #root: string;
  readonly #query: string;
  readonly #row: "xhr" | "xhr_streaming";
  readonly #agent = new Agent({ keepAlive: true });
  readonly #opened: () => void;
  readonly #unsent: string[] = [];
  #asked: Asked | undefined;
  #isSending = false;
  #isStalled = false;
  #isLeaving = false;

  /** @param root the address of the session, without the last part */
  private constructor(root: string, query: string, row: "xhr" | "xhr_streaming", opened: () => void) {
    this.#root = root;
    this.#query = query;
    this.#row = row;
    this.#opened = opened;
    this.#ask();
  }

  static open(root: string, query: string, row: "xhr" | "xhr_streaming"): Promise<SockJsClient> {
    return new Promise((resolve) => {
      const client: SockJsClient = new SockJsClient(root, query, row, () => resolve(client));
    });
  }

  send(data: string | Buffer): void {
    this.#unsent.push(String(data));
    this.#sendOn();
  }

  /** Clients of SockJS have no close frame: they drop the request that they have open, once what they sent has arrived. */
  close(): void {
    this.#isLeaving = true;
    this.#leave();
  }

  fail(): void {
    this.#unsent.length = 0;
    this.close();
  }

  /** Reads nothing, and asks for nothing. */
  stall(): void {
    this.#isStalled = true;
    this.#asked?.response?.pause();
    this.#asked?.request.socket?.pause();
  }

  resume(): void {
    this.#isStalled = false;
    this.#asked?.request.socket?.resume();
    this.#asked?.response?.resume();
    this.#ask();
  }

  #ask(): void {
    if (this.#asked !== undefined || this.#isStalled || this.closed !== undefined) return;
    const url = `${this.#root}/${this.#row}?${this.#query}`;
    const asked: Asked = { request: request(url, { method: "POST", agent: this.#agent }), response: undefined };
    this.#asked = asked;
    let rest = "";
    const over = (isWhole: boolean): void => {
      if (this.#asked !== asked) return;
      this.#asked = undefined;
      if (isWhole) this.#ask();
      else this.#end(1006, "");
    };
    asked.request.on("response", (response) => {
      asked.response = response;
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.#frame(line);
      });
      response.on("end", () => over(response.statusCode === 200));
      response.on("error", () => over(false));
      if (this.#isStalled) response.pause();
    });
    asked.request.on("error", () => over(false));
    asked.request.once("finish", () => this.#leave());
    asked.request.end();
  }

  #frame(line: string): void {
    if (line === "o") this.#opened();
    else if (line.startsWith("a")) this.received.push(...(JSON.parse(line.slice(1)) as string[]));
    else if (line.startsWith("c")) {
      const [code, reason] = JSON.parse(line.slice(1)) as [number, string];
      this.#end(code, reason);
    }
  }

  #sendOn(): void {
    if (this.#isSending || this.#unsent.length === 0) return;
    this.#isSending = true;
    const body = JSON.stringify(this.#unsent.splice(0));
    const sent = request(`${this.#root}/xhr_send`, { method: "POST", agent: this.#agent });
    const done = (): void => {
      this.#isSending = false;
      this.#sendOn();
      this.#leave();
    };
    sent.on("response", (response) => response.resume().on("end", done));
    sent.on("error", done);
    sent.end(body);
  }

  /** Once its request is at the server, so that the server can see it being dropped. */
  #leave(): void {
    if (!this.#isLeaving || this.#isSending || this.#unsent.length > 0 || this.#isStalled) return;
    const asked = this.#asked;
    // A poll that is being answered leads to another one, which is dropped then.
    const isAnswered = this.#row === "xhr" && asked?.response !== undefined;
    if (asked?.request.writableFinished !== true || isAnswered) return;
    asked.request.destroy();
    this.#end(1006, "");
  }

  #end(code: number, reason: string): void {
    if (this.closed !== undefined) return;
    this.closed = { code, reason };
    this.#asked = undefined;
    this.#agent.destroy();
  }
}
