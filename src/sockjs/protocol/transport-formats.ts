/** The bytes around frames in each HTTP transport that carries frames to a client: content type, prelude, and wrapping. */
import type { TransportName } from "../../api/connection.js";

/** The format of one transport. `callback` is the function of the page to call, `""` for transports without a callback. */
export interface TransportFormat {
  readonly transport: TransportName;
  readonly contentType: string;
  /** Each response carries one frame and ends. */
  readonly isPolling: boolean;
  /** @returns the text before the first frame */
  prelude(callback: string): string;
  wrap(frame: string, callback: string): string;
}

const SCRIPT_TYPE = "application/javascript; charset=UTF-8";

function noPrelude(): string {
  return "";
}

function wrapLine(frame: string): string {
  return `${frame}\n`;
}

const xhrPolling: TransportFormat = {
  transport: "xhr-polling",
  contentType: SCRIPT_TYPE,
  isPolling: true,
  prelude: noPrelude,
  wrap: wrapLine,
};

/** Old browsers hide a response from scripts until 2 KiB have arrived. */
const XHR_PRELUDE = `${"h".repeat(2_048)}\n`;

const xhrStreaming: TransportFormat = {
  transport: "xhr-streaming",
  contentType: SCRIPT_TYPE,
  isPolling: false,
  prelude: () => XHR_PRELUDE,
  wrap: wrapLine,
};

/** Line ends and NUL would end the `data` field; the client's `decodeURI` would read `%` as an escape. */
const UNSAFE_IN_EVENT = /[%\r\n\0]/g;
const percentEncode = (character: string): string =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;

const eventSource: TransportFormat = {
  transport: "eventsource",
  // No charset: some browsers compare the whole value.
  contentType: "text/event-stream",
  isPolling: false,
  prelude: () => "\r\n",
  wrap: (frame) => `data: ${frame.replace(UNSAFE_IN_EVENT, percentEncode)}\r\n\r\n`,
};

/** Browsers wait for 1 KiB of a page before running the scripts. */
const HTML_PRELUDE_LENGTH = 1_024;

function htmlPrelude(callback: string): string {
  const head = `<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.${callback};
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>`;
  return `${head.padEnd(HTML_PRELUDE_LENGTH + 1)}\r\n\r\n`;
}

/** A JavaScript string inside a `<script>`: `</script>` in a message must not end the script. */
function quoteForScript(frame: string): string {
  return JSON.stringify(frame).replaceAll("<", "\\u003c");
}

const htmlFile: TransportFormat = {
  transport: "htmlfile",
  contentType: "text/html; charset=UTF-8",
  isPolling: false,
  prelude: htmlPrelude,
  wrap: (frame) => `<script>\np(${quoteForScript(frame)});\n</script>\r\n`,
};

const jsonp: TransportFormat = {
  transport: "jsonp-polling",
  contentType: SCRIPT_TYPE,
  isPolling: true,
  prelude: noPrelude,
  // The comment comes first: a response that began with the callback's name could pass for another type of file.
  wrap: (frame, callback) => `/**/${callback}(${JSON.stringify(frame)});\r\n`,
};

export type ReceivingEndpoint = "xhr" | "xhr_streaming" | "eventsource" | "htmlfile" | "jsonp";

export const transportFormats: Readonly<Record<ReceivingEndpoint, TransportFormat>> = {
  xhr: xhrPolling,
  xhr_streaming: xhrStreaming,
  eventsource: eventSource,
  htmlfile: htmlFile,
  jsonp,
};
