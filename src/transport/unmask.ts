/** Masks and unmasks payloads in place (RFC 6455 section 5.3), for `frame-reader.ts`. */

/** The bit that no ASCII character has: of a byte, and of each byte of a word. */
const NOT_ASCII = 0x80;
const NOT_ASCII_WORD = 0x80808080;

const WORD_BYTES = 4;
/** Masking works in either order of bytes; this one is the order of nearly all processors. */
const IS_LITTLE_ENDIAN = true;

/** A shorter read is unmasked byte by byte: making the view would take longer. */
const VIEW_FROM_BYTES = 256;

/** A view of a read, for `unmask`, which takes four bytes at a time; `undefined` if that is not worth a view. */
export function viewOf(chunk: Buffer): DataView | undefined {
  if (chunk.length < VIEW_FROM_BYTES) return undefined;
  return new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
}

/** Applies to a payload the mask that precedes the payload; a second call undoes the first. @returns whether the result is ASCII */
export function unmask(chunk: Buffer, view: DataView | undefined, start: number, end: number): boolean {
  if (view === undefined) return unmaskBytes(chunk, start, start, end) < NOT_ASCII;
  const key = view.getInt32(start - WORD_BYTES, IS_LITTLE_ENDIAN);
  const wordsEnd = end - ((end - start) & (WORD_BYTES - 1));
  let seen = 0;
  for (let at = start; at < wordsEnd; at += WORD_BYTES) {
    const word = view.getInt32(at, IS_LITTLE_ENDIAN) ^ key;
    view.setInt32(at, word, IS_LITTLE_ENDIAN);
    seen |= word;
  }
  const seenAfter = unmaskBytes(chunk, start, wordsEnd, end);
  return (seen & NOT_ASCII_WORD) === 0 && seenAfter < NOT_ASCII;
}

/** @returns all bits of the bytes from `from` to `to` */
function unmaskBytes(chunk: Buffer, start: number, from: number, to: number): number {
  let seen = 0;
  const mask = start - 4;
  for (let i = from; i < to; i++) {
    const byte = (chunk[i] as number) ^ (chunk[mask + ((i - start) & 3)] as number);
    chunk[i] = byte;
    seen |= byte;
  }
  return seen;
}
