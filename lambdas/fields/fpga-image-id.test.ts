import fc from "fast-check";
import { expect, it } from "vitest";
import { commandOf, imageIdOf } from "./fpga-image-id.ts";

it("an image's id and its command's are one value", () => {
  expect(imageIdOf("00000000000000000000000000")).toBe("0".repeat(32));
  expect(imageIdOf("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")).toBe("f".repeat(32));
  expect(imageIdOf("01ARZ3NDEKTSV4RRFFQ69G5FAV")).toBe("01563e3ab5d3d6764c61efb99302bd5b");
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), (bits) => {
      const id = bits.toString(16).padStart(32, "0");
      expect(imageIdOf(commandOf(id))).toBe(id);
    }),
  );
  for (const wrong of ["", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01ARZ3NDEKTSV4RRFFQ69G5FAI"])
    expect(() => imageIdOf(wrong)).toThrow(RangeError);
  for (const wrong of ["", "F".repeat(32), "0".repeat(33)])
    expect(() => commandOf(wrong)).toThrow(RangeError);
});
