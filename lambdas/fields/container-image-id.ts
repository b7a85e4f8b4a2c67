import { createHash } from "node:crypto";
import { nameAndTag } from "#protocol/image-reference.ts";

/**
 * The id by which FPGA images are associated with a container image: a version 5 UUID of its name and tag in the
 * namespace of the user's project. Registry host and the user's prefix are no part of the name. Pure.
 * @param project 32 hex digits
 */
export function containerImageId(project: string, user: string, reference: string): string {
  const { name, tag } = nameAndTag(reference);
  const own = name.startsWith(`${user}-`) ? name.slice(user.length + 1) : name;
  const hash = createHash("sha1").update(Buffer.from(project, "hex")).update(`${own}:${tag}`).digest();
  const bytes = hash.subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
