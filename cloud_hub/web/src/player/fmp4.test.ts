/** The station's fragments by a vector that the station's own test holds too (tests/unit/video/test_packager.py). */
import { describe, expect, it } from "vitest";
import { readDescription, readFragment } from "./fmp4.ts";
import vector from "./vector.json";

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (two) => Number.parseInt(two, 16));
}

describe("a fragment of the station", () => {
  it("gives its times and its sample", () => {
    const fragment = readFragment(bytes(vector.fragment));
    expect(fragment.mediaS).toBeCloseTo(vector.mediaS, 6);
    expect(fragment.durationS).toBeCloseTo(vector.durationS, 6);
    expect(fragment.utcMs).toBeCloseTo(vector.utcMs, 2);
    expect([...fragment.sample]).toEqual([...bytes(vector.sample)]);
  });

  it("is read wherever it lies in a buffer", () => {
    const shifted = new Uint8Array([0, 0, 0, ...bytes(vector.fragment)]).subarray(3);
    expect(readFragment(shifted).mediaS).toBeCloseTo(vector.mediaS, 6);
  });

  it("that is damaged is refused and never read past its end", () => {
    const whole = bytes(vector.fragment);
    for (let length = 0; length < whole.length; length += 7) {
      expect(() => readFragment(whole.subarray(0, length))).toThrow(RangeError);
    }
  });
});

it("an init segment gives the decoder's description", () => {
  expect([...readDescription(bytes(vector.init))]).toEqual([...bytes(vector.description)]);
});
