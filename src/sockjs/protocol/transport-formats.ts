/** The transports over HTTP that carry frames to clients, and how each dresses them. */
import type { Shape } from "../http/receiver.js";

const SCRIPT_TYPE = "application/javascript; charset=UTF-8";

function nothing(): string {
  return "";
}

function line(frame: string): string {
  return `${frame}\n`;
}

const xhrPolling: Shape = {
  transport: "xhr-polling",
  contentType: SCRIPT_TYPE,
  isPolling: true,
  prelude: nothing,
  wrap: line,
};

/** Old browsers show nothing of a response before so much of it has come. */
const XHR_PRELUDE = `${"h".repeat(2_048)}\n`;

const xhrStreaming: Shape = {
  transport: "xhr-streaming",
  contentType: SCRIPT_TYPE,
  isPolling: false,
  prelude: () => XHR_PRELUDE,
  wrap: line,
};

/** What would end a field, and what the client's `decodeURI` would take for an escape. */
const EVENT_FIELD = /[%\r\n\0]/g;
const percentEncode = (character: string): string =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;

const eventSource: Shape = {
  transport: "eventsource",
  // Without a charset: some browsers compare the whole value.
  contentType: "text/event-stream",
  isPolling: false,
  prelude: () => "\r\n",
  wrap: (frame) => `data: ${frame.replace(EVENT_FIELD, percentEncode)}\r\n\r\n`,
};

/** Browsers look at so much of a page before they run its scripts. */
const HTML_PRELUDE_LENGTH = 1_024;

function htmlHead(callback: string): string {
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

/** A string in a script in a page: `</script>` in a message must not end the script. */
function scriptString(frame: string): string {
  return JSON.stringify(frame).replaceAll("<", "\\u003c");
}

const htmlFile: Shape = {
  transport: "htmlfile",
  contentType: "text/html; charset=UTF-8",
  isPolling: false,
  prelude: htmlHead,
  wrap: (frame) => `<script>\np(${scriptString(frame)});\n</script>\r\n`,
};

const jsonp: Shape = {
  transport: "jsonp-polling",
  contentType: SCRIPT_TYPE,
  isPolling: true,
  prelude: nothing,
  // The comment keeps the callback's name from standing at the beginning, where it could pass for another type of file.
  wrap: (frame, callback) => `/**/${callback}(${JSON.stringify(frame)});\r\n`,
};

/** By the last part of their paths. */
export const shapes: Readonly<Record<ReceivingRow, Shape>> = {
  xhr: xhrPolling,
  xhr_streaming: xhrStreaming,
  eventsource: eventSource,
  htmlfile: htmlFile,
  jsonp,
};

export type ReceivingRow = "xhr" | "xhr_streaming" | "eventsource" | "htmlfile" | "jsonp";
