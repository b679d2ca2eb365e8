/** Masks and unmasks payloads in place (RFC 6455 section 5.3), for `frame-reader.ts`. */

/** The first byte that is not ASCII, in each byte of a word. */
const NOT_ASCII = 0x80;
const NOT_ASCII_WORD = 0x80808080;

/** A shorter read is unmasked byte by byte: making the view would take longer. */
const WORDS_FROM_BYTES = 256;

const keyBytes = new Uint8Array(4);
const keyWord = new Int32Array(keyBytes.buffer);

/** The words of a read, for `unmask`; `undefined` if the words are not worth their view. */
export function wordsOf(chunk: Buffer): Int32Array | undefined {
  if (chunk.length < WORDS_FROM_BYTES) return undefined;
  return new Int32Array(chunk.buffer, 0, chunk.buffer.byteLength >> 2);
}

/** Applies to a payload the mask that precedes the payload; a second call undoes the first. @returns whether the result is ASCII */
export function unmask(chunk: Buffer, words: Int32Array | undefined, start: number, end: number): boolean {
  if (words === undefined) return unmaskBytes(chunk, start, start, end) < NOT_ASCII;
  // Words lie at multiples of 4 in the memory around the chunk.
  const offset = chunk.byteOffset;
  const firstWord = (offset + start + 3) >> 2;
  const lastWord = (offset + end) >> 2;
  if (firstWord >= lastWord) return unmaskBytes(chunk, start, start, end) < NOT_ASCII;
  const wordStart = (firstWord << 2) - offset;
  const wordEnd = (lastWord << 2) - offset;
  const seen = unmaskBytes(chunk, start, start, wordStart) | unmaskBytes(chunk, start, wordEnd, end);
  for (let i = 0; i < 4; i++) keyBytes[i] = chunk[start - 4 + ((wordStart - start + i) & 3)] as number;
  const key = keyWord[0] as number;
  let seenWords = 0;
  for (let i = firstWord; i < lastWord; i++) {
    const word = (words[i] as number) ^ key;
    words[i] = word;
    seenWords |= word;
  }
  return seen < NOT_ASCII && (seenWords & NOT_ASCII_WORD) === 0;
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
