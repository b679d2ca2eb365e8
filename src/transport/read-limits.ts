/** How much `ws` may keep of what a peer sends: `websocket.ts` asks once for each pair of limits. */

/** The longest time of a timer of Node, which counts in 32 bits. */
const LONGEST_MS = 2_147_483_647;

/**
 * `ws` keeps each read of an unfinished frame, and a read of a single byte takes a kilobyte of memory. A frame arrives if its reads
 * have half a KiB on average (TCP sends at least 512 bytes of a long frame at a time) or are few; otherwise the connection is closed
 * with 1008.
 */
const MIN_READ_BYTES = 512;
const MIN_READS = 16_384;

interface ReadLimits {
  readonly maxPayload: number;
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
  readonly closeTimeout: number;
}

/** The options of `ws` that limit what is read of a socket. */
export function limitsOfReads(maxPayloadBytes: number, maxFragments: number): ReadLimits {
  return {
    maxPayload: maxPayloadBytes,
    maxFragments,
    maxBufferedChunks: MIN_READS + Math.ceil(maxPayloadBytes / MIN_READ_BYTES),
    // The connection times the close by the server's clock, which reads the data that has arrived before a peer is cut.
    closeTimeout: LONGEST_MS,
  };
}
