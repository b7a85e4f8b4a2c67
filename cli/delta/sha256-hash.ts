import { createHash, type Hash } from "node:crypto";

export function sha256Hash(): Hash {
  return createHash("sha256");
}
