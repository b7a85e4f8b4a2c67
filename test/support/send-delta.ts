import { createHash } from "node:crypto";
import { type DeltaPiece, deltaTail } from "#protocol/chunking/delta.ts";
import type { Client } from "#test/contract/support/client.ts";
import { declaredFile } from "./declared-file.ts";

export type MadeDelta = { delta: Buffer; wanted: Buffer; base: string };

/** A delta, and what it makes: `pieces` are new bytes, or from where to where bytes of `old` are kept. */
export function deltaOf(old: Buffer, pieces: (Buffer | [from: number, to: number])[]): MadeDelta {
  const contents = pieces.map((piece) => (Array.isArray(piece) ? old.subarray(...piece) : piece));
  const named = pieces.map((piece, i): DeltaPiece => {
    return { ...(Array.isArray(piece) && { at: piece[0] }), bytes: contents[i]!.length };
  });
  const fresh = pieces.filter((piece) => Buffer.isBuffer(piece));
  const delta = Buffer.concat([...fresh, deltaTail(named)]);
  return { delta, wanted: Buffer.concat(contents), base: sha256(old) };
}

/** Brings a delta for a file to the ground at `url`. @returns the id of the uplink, which is still to be completed */
export async function sendDelta(
  client: Client,
  url: string,
  { volume, path, delta, wanted, base }: { volume: string; path: string } & MadeDelta,
): Promise<string> {
  const { size, checksum } = declaredFile(path, wanted);
  const file = declaredFile(path, delta);
  const opened = await client.json("/uplinks", {
    pod_name: volume,
    part_size: 5 * 1024 * 1024,
    files: [file],
    delta: { size, checksum, sha256: sha256(wanted), base },
  });
  const { id, parts } = opened.json.data;
  const to = parts[0].url.startsWith("/") ? url + parts[0].url : parts[0].url;
  const sent = await fetch(to, { method: "PUT", headers: parts[0].headers, body: new Uint8Array(delta) });
  if (!sent.ok) throw new Error(`the delta was answered ${sent.status}: ${await sent.text()}`);
  return id;
}

export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
