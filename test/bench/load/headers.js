// @ts-check
/** Further lines of the upgrade request. */

/** @type {Readonly<Record<string, (port: number) => readonly string[]>>} */
const kinds = {
  none: () => [],
  /** What browsers offer. */
  deflate: () => ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"],
  /** As Chromium sends them, with the cookies that a page has after a while; only the offer to compress is left out. */
  browser: (port) => [
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    `Origin: http://127.0.0.1:${port}`,
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Cookie: session=5f0c2f1e9d7b4a3c8e6d1f2a3b4c5d6e; theme=dark; consent=1; _id=1.2.1183749201.1700000000",
  ],
};

/**
 * @param {string} kind
 * @param {number} port
 */
export function headerLines(kind, port) {
  const lines = kinds[kind];
  if (lines === undefined) throw new Error(`there are no headers ${kind}`);
  return lines(port);
}
