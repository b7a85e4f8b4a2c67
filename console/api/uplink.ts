import xxhash from "xxhash-wasm";
import { xxh64Text } from "#protocol/xxh64-text.ts";
import { data } from "./client.ts";
import { crc32 } from "./crc32.ts";
import { session } from "./session.ts";

export type Uplinked = { id: string; command: string };
type Part = {
  file: number;
  part: number;
  offset: number;
  size: number;
  url: string;
  headers: Record<string, string>;
};
type Opened = { id: string; state: string; parts: Part[]; missing: number };
export type Planned = { path: string; file: File };

const PART_BYTES = 8 * 1024 * 1024;
const TRIES = 5;
const KEPT = "perigee.uplinks.";

/**
 * Sends files into a volume, straight to staging, each part checked. The same files sent again, also after a reload, go
 * on where they were cut: what has arrived is not sent again.
 * @param progress is told the bytes that are hashed or have arrived
 * @returns id of the command that brings them to the edge
 * @throws ApiError, or Error when a part cannot be sent
 */
export async function uplink(
  volume: string,
  planned: readonly Planned[],
  progress: (phase: "hashing" | "sending", done: number, total: number) => void,
  signal: AbortSignal,
): Promise<string> {
  const total = planned.reduce((sum, { file }) => sum + file.size, 0);
  const files = [];
  let hashed = 0;
  const read = (size: number) => {
    hashed += size;
    progress("hashing", hashed, total);
  };
  for (const { path, file } of planned) {
    files.push({
      path,
      size: file.size,
      ...(await digests(file, read)),
    });
    signal.throwIfAborted();
  }
  const body = JSON.stringify({ pod_name: volume, part_size: PART_BYTES, files });
  const key = await keyOf(body);
  const headers = {
    "content-type": "application/json",
    "idempotency-key": sessionStorage.getItem(key) ?? newKey(key),
  };
  let opened = await data<Opened>("/uplinks", { method: "POST", body, headers, signal });
  const { id } = opened;
  for (let failures = 0; opened.missing > 0 && opened.parts.length > 0; ) {
    let left = planned.length === 0 ? 0 : opened.missing;
    for (const part of opened.parts) {
      signal.throwIfAborted();
      try {
        await sendPart(planned[part.file]!.file, part, signal);
        left -= 1;
        progress("sending", Math.max(0, total - left * PART_BYTES), total);
      } catch (error) {
        if (signal.aborted || ++failures >= TRIES) throw error;
        break;
      }
    }
    opened = await data<Opened>(`/uplinks/${id}/parts`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
      signal,
    });
  }
  await data(`/uplinks/${id}/complete`, { method: "POST", headers: { prefer: "respond-async" }, signal });
  sessionStorage.removeItem(key);
  return id;
}

/** Sent by its signed URL, which is all the right that it takes. */
async function sendPart(
  file: File,
  { url, headers, offset, size }: Part,
  signal: AbortSignal,
): Promise<void> {
  const own = Object.entries(headers).filter(([name]) => name.toLowerCase() !== "content-length");
  const response = await fetch(new URL(url, location.href), {
    method: "PUT",
    headers: Object.fromEntries(own),
    body: file.slice(offset, offset + size),
    credentials: "omit",
    signal,
  });
  if (!response.ok) throw new Error(`A part was refused with ${response.status}`);
}

async function digests(file: File, read: (bytes: number) => void) {
  const { create64 } = await hasher();
  const hash = create64();
  const parts: string[] = [];
  for (let at = 0; at < file.size; at += PART_BYTES) {
    const bytes = new Uint8Array(await file.slice(at, at + PART_BYTES).arrayBuffer());
    hash.update(bytes);
    parts.push(crc32(bytes));
    read(bytes.length);
  }
  return { checksum: xxh64Text(hash.digest()), crc32: parts };
}

let loaded: ReturnType<typeof xxhash> | undefined;

/** Loaded when the first files are sent. */
function hasher() {
  loaded ??= xxhash();
  return loaded;
}

/** Under what name the key of an uplink of just these files is kept. Its files are not told by it. */
async function keyOf(body: string): Promise<string> {
  const { create64 } = await hasher();
  return KEPT + create64().update(`${session.value?.user}\n${body}`).digest().toString(16);
}

function newKey(kept: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const key = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem(kept, key);
  return key;
}
