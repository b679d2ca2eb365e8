/** Texts that have broken servers, proxies and browsers, for echoes over every transport. */

/** Every character of the first 256, and every one that the protocol names as fragile, as far as UTF-8 can say it. */
const RANGES: readonly (readonly [from: number, to: number])[] = [
  [0x00, 0xff],
  [0x200c, 0x200f],
  [0x2028, 0x202f],
  [0x2060, 0x206f],
  [0xfff0, 0xffff],
];
const fragile = RANGES.map(([from, to]) =>
  String.fromCharCode(...Array.from({ length: to - from + 1 }, (_, i) => from + i)),
);

export const KILLERS: readonly string[] = [
  "",
  "plain",
  "100% %41 %zz %",
  "ü€\u{1f600}\u{10ffff}",
  ...fragile,
  "</script><script>throw 1</script><!-- ]]>",
  "\"\\'\\u0041\\n",
  "a,b\nc\r\nd\0e",
  "o",
  'c[1000,"x"]',
  "x".repeat(8_192),
  "é\u2028%\u{1f600}".repeat(1_024),
];
