/** Lists of frames that sessions share: when they are the same, and what peers with a session get. */
import { describe, expect, test } from "vitest";
import { encodeFrame, type Frame } from "../../../src/transport/frame.js";
import { frameListOf, MAX_SHARED_FRAMES } from "../../../src/transport/frame-list.js";

const framesOf = (...texts: string[]): Frame[] => texts.map(encodeFrame);

describe("a list of frames", () => {
  const frames = framesOf("a", "bc", "def");

  test("is shared by all who write the same frames one after the other", () => {
    const list = frameListOf(frames);
    expect(frameListOf([...frames])).toBe(list);
    expect([list.frames, list.escaped, list.bytes]).toEqual([frames, frames, 12]);
  });

  test.each([
    ["in another order", [2, 1, 0]],
    ["without the last", [0, 1]],
    ["with a frame twice", [0, 1, 2, 2]],
  ])("is not shared with who writes them %s", (_what, order) => {
    const list = frameListOf(frames);
    const others = order.flatMap((i) => frames[i] ?? []);
    expect(frameListOf(others)).not.toBe(list);
    expect(frameListOf(others).frames).toEqual(others);
  });

  test("has a second ~ in front of each text that begins with one, encoded once", () => {
    const marked = framesOf("a", "~b");
    const { escaped } = frameListOf(marked);
    expect(escaped.map(({ data }) => data)).toEqual(["a", "~~b"]);
    frameListOf(frames);
    expect(frameListOf(marked).escaped[1]).toBe(escaped[1]);
  });

  test("of more frames than sessions keep together is made for each writer, and leaves the last shorter list known", () => {
    const list = frameListOf(frames);
    const long = framesOf(...Array.from({ length: MAX_SHARED_FRAMES + 1 }, String));
    expect(frameListOf(long)).not.toBe(frameListOf(long));
    expect(frameListOf(frames)).toBe(list);
  });

  test("without its first frames counts the bytes of the rest", () => {
    const { frames: rest, bytes } = frameListOf(frames).without(1);
    expect([rest, bytes]).toEqual([frames.slice(1), 9]);
  });
});
