import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { FpgaImage } from "#protocol/fpga-image.ts";
import { isPartial, misfitOf } from "./fits.ts";

const image = (over: Partial<FpgaImage> = {}): FpgaImage => ({
  image: "0".repeat(32),
  sha256: "ab".repeat(32),
  bytes: 10,
  format: "xilinx-bin-be",
  payload: { offset: 0, length: 10 },
  checks: { idcode: 0x13822093 },
  metadata: "{}",
  ...over,
});
const xclbin = (checks: FpgaImage["checks"]) => image({ format: "xclbin", checks });
const formats = ["xilinx-bin-be", "xclbin"];
const codeOf = (...of: Parameters<typeof misfitOf>) => misfitOf(...of)?.code;

describe("what does not fit a device", () => {
  it("is of a format that it does not take; another vendor's only where the operator says so", () => {
    expect(codeOf(image({ format: "xilinx-bin-le" }), { formats })).toBe("FORMAT_UNSUPPORTED");
    expect(codeOf(image({ format: "unknown" }), { formats })).toBe("FORMAT_UNSUPPORTED");
    expect(codeOf(image({ format: "unknown" }), { formats: ["unknown"] })).toBeUndefined();
  });

  it("programs a part, where the adapter takes every file for the whole device", () => {
    const partial = image({ metadata: '{"perigee_partial":true}' });
    for (const adapter of ["overlay", "dfx-mgr", "xrt"]) {
      expect(codeOf(image(), { formats, adapter })).toBeUndefined();
      expect(misfitOf(partial, { formats, adapter })).toMatchObject({
        code: "FORMAT_UNSUPPORTED",
        message: expect.stringContaining(`a part of a device (perigee_partial), which ${adapter} cannot`),
      });
    }
    // the operator's own overlay does
    expect(codeOf(partial, { formats, adapter: "overlay", partial: true })).toBeUndefined();
    expect(codeOf(partial, { formats, adapter: "xilinx-sysfs" })).toBeUndefined();
  });

  it("is for another part, whatever the version of the silicon; what is not known contradicts nothing", () => {
    expect(codeOf(image(), { formats, idcode: 0x03822093 })).toBeUndefined();
    expect(codeOf(image(), { formats, idcode: 0x03823093 })).toBe("DEVICE_MISMATCH");
    expect(codeOf(image({ checks: {} }), { formats, idcode: 0x03823093 })).toBeUndefined();
  });

  it("is for another shell", () => {
    const shell = { interfaceUuid: "1".repeat(32), platform: "board" };
    expect(
      codeOf(xclbin({ interfaceUuid: "1".repeat(32), platform: "other" }), { formats, shell }),
    ).toBeUndefined();
    expect(
      codeOf(xclbin({ interfaceUuid: "2".repeat(32), platform: "board" }), { formats, shell }),
    ).toBeUndefined();
    expect(codeOf(xclbin({ interfaceUuid: "2".repeat(32) }), { formats, shell })).toBe("SHELL_MISMATCH");
    expect(codeOf(xclbin({}), { formats, shell: {} })).toBeUndefined();
  });

  it("is not signed by a key that the device trusts", () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const key = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64");
    const signature = (text: string) => sign(null, Buffer.from(text), privateKey).toString("base64");
    const signed = (text: string) =>
      image({ metadata: JSON.stringify({ perigee_signature: signature(text) }) });
    const device = { formats, trustedKeys: [Buffer.alloc(32, 1).toString("base64"), key] };
    expect(codeOf(signed(image().sha256), device)).toBeUndefined();
    for (const other of [image(), signed("x"), image({ metadata: '{"perigee_signature":5}' })])
      expect(codeOf(other, device)).toBe("SIGNATURE_REQUIRED");
  });
});

it("only true asks for a part of the device to be programmed", () => {
  expect(['{"perigee_partial":true}', '{"perigee_partial":"true"}', "{}"].map(isPartial)).toEqual([
    true,
    false,
    false,
  ]);
});
