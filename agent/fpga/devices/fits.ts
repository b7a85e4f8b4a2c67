import { createPublicKey, verify } from "node:crypto";
import type { FpgaImage } from "#protocol/fpga-image.ts";
import type { FpgaDeviceConfig } from "../device-config.ts";

/** Why a file is not loaded on a device. */
export type Misfit = {
  code: "FORMAT_UNSUPPORTED" | "DEVICE_MISMATCH" | "SHELL_MISMATCH" | "SIGNATURE_REQUIRED";
  message: string;
};

/** Adapters that take a file for the whole device, whatever it is: that it programs a part cannot be said to them. */
const WHOLE: readonly string[] = ["overlay", "dfx-mgr", "xrt"];

/** What a file is compared with before each load: the operator may have changed it since the ground looked. */
export type FittedDevice = { formats: readonly string[]; adapter?: string } & Pick<
  Partial<FpgaDeviceConfig>,
  "idcode" | "shell" | "trustedKeys" | "partial"
>;

/** DER of an Ed25519 public key, up to its 32 bytes. */
const ED25519 = Buffer.from("302a300506032b6570032100", "hex");

/** Why a file does not fit; undefined when nothing speaks against it. What is not known contradicts nothing. Pure. */
export function misfitOf(image: FpgaImage, device: FittedDevice): Misfit | undefined {
  const { formats, idcode, shell, trustedKeys, adapter = "" } = device;
  const { checks } = image;
  if (!formats.includes(image.format)) {
    return {
      code: "FORMAT_UNSUPPORTED",
      message: `the file is ${image.format}, the device takes ${formats.join(", ") || "nothing"}`,
    };
  }
  if (isPartial(image.metadata) && WHOLE.includes(adapter) && !device.partial) {
    const message = `the file programs a part of a device (perigee_partial), which ${adapter} cannot be told here`;
    return { code: "FORMAT_UNSUPPORTED", message };
  }
  if (idcode !== undefined && checks.idcode !== undefined && partOf(idcode) !== partOf(checks.idcode)) {
    return {
      code: "DEVICE_MISMATCH",
      message: `the file is for a device with the IDCODE ${hex(checks.idcode)}, this one has ${hex(idcode)}`,
    };
  }
  if (shell && image.format === "xclbin" && !isOfShell(checks, shell)) {
    return { code: "SHELL_MISMATCH", message: "the file is for another shell than the device has" };
  }
  if (trustedKeys && !trustedKeys.some((key) => hasSigned(key, image))) {
    return {
      code: "SIGNATURE_REQUIRED",
      message: "the device loads only what a key that it trusts has signed",
    };
  }
  return undefined;
}

/** Without the version of the silicon, which no design depends on. */
const partOf = (idcode: number) => idcode & 0x0fffffff;
const hex = (word: number) => `0x${word.toString(16).padStart(8, "0")}`;

function isOfShell(
  { interfaceUuid, platform }: FpgaImage["checks"],
  shell: NonNullable<FittedDevice["shell"]>,
): boolean {
  if (shell.interfaceUuid === undefined && shell.platform === undefined) return true;
  return (
    (interfaceUuid !== undefined && interfaceUuid === shell.interfaceUuid) ||
    (platform !== undefined && platform === shell.platform)
  );
}

/** Is `perigee_signature` of its metadata this key's, over the file's SHA-256 in hex? */
function hasSigned(key: string, { metadata, sha256 }: FpgaImage): boolean {
  const signature = textIn(metadata, "perigee_signature");
  if (signature === undefined) return false;
  try {
    const der = Buffer.concat([ED25519, Buffer.from(key, "base64")]);
    const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
    return verify(null, Buffer.from(sha256), publicKey, Buffer.from(signature, "base64"));
  } catch {
    return false;
  }
}

/** A text of an image's metadata. */
export function textIn(metadata: string, name: string): string | undefined {
  const value = (JSON.parse(metadata) as Record<string, unknown>)[name];
  return typeof value === "string" ? value : undefined;
}

/** Does its metadata ask for a part of the device to be programmed? */
export function isPartial(metadata: string): boolean {
  return (JSON.parse(metadata) as Record<string, unknown>).perigee_partial === true;
}
