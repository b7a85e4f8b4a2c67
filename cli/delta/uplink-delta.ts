import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type ChunkList, readChunkList } from "#protocol/chunking/chunk-list.ts";
import { CHUNKER } from "#protocol/chunking/chunker.ts";
import { listChunks } from "#protocol/chunking/list-chunks.ts";
import { MiB } from "#protocol/limits.ts";
import { acceptedId, type Body, type Client, failureFrom, readJson } from "../client.ts";
import type { CommandView } from "../command-view.ts";
import { CliFailure } from "../failure.ts";
import type { LocalFile } from "../files/collect.ts";
import { changed, openAgain } from "../files/open-again.ts";
import { followToSuccess } from "../follow.ts";
import { bytes } from "../output/text.ts";
import { offeredUplinks } from "../parts/offered-uplinks.ts";
import { type Target, uplinkInParts } from "../parts/uplink-in-parts.ts";
import type { Session } from "../session.ts";
import { makeDelta } from "./make-delta.ts";
import { sha256Hash } from "./sha256-hash.ts";

const IDLE_MS = 120_000;
const READ = 1 * MiB;
/** A delta of more than this part of the file is not worth its risk of having to send it whole afterwards. */
const WORTH = 0.8;
/** Why there is no delta: the ground, the edge or the file has none to offer, or the file has changed meanwhile. */
const WITHOUT = [
  "NOT_FOUND",
  "FILE_NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "UNSUPPORTED_OPERATION",
  "UPLINK_NOT_FOUND",
  "INVALID_PATH",
];

/** How an edge says that it cannot put the file together, which it takes whole. */
const NOT_MADE = ["DELTA_INVALID", "CHECKSUM_MISMATCH"];
/** Of this machine's disk for temporary files, which a whole file does not need. */
const NO_PLACE = ["ENOSPC", "EDQUOT", "EROFS", "EACCES"];

/** Is the edge in contact and free, and does its agent tell chunks and take deltas? Asks the ground only. */
export async function tellsChunks(client: Client): Promise<boolean> {
  if (client.options.waitMs === 0) return false;
  try {
    const { data } = await client.json({ method: "GET", path: "/edge", idleMs: 30_000 });
    const { contact, agent, held, busy, queued } = data as {
      contact?: { state?: string };
      held?: object | null;
      busy?: object | null;
      queued?: number;
      agent?: { operations?: string[] } | null;
    };
    // while it would wait for its chunks, the file could be on its way
    if (held || busy || queued) return false;
    const known = agent?.operations ?? [];
    return contact?.state === "ok" && known.includes("volume.chunks") && known.includes("volume.patch");
  } catch (error) {
    if (error instanceof CliFailure) return false;
    throw error;
  }
}

/** Does the ground know these deltas? One that does not would take it for the file itself, or for an earlier kind. */
async function takesDeltas(client: Client): Promise<boolean> {
  return (await offeredUplinks(client)).deltas === true;
}

export type DeltaOptions = {
  target: Target;
  /** by the user; otherwise whatever keeps the edge from telling means that the file is sent whole */
  asked: boolean;
  /** what is at the file's path on the edge, as the user says */
  old?: LocalFile | undefined;
};

/**
 * Sends a file as what differs from the one that is at its path on the edge.
 * @returns the uplink's answer; undefined when the file is to be sent whole
 */
export async function uplinkDelta(
  session: Session,
  file: LocalFile,
  { old, ...options }: DeltaOptions,
  shape: (command: CommandView) => Body,
): Promise<Body | undefined> {
  const { output, client } = session;
  if (!(await takesDeltas(client))) {
    if (options.asked) output.notice("the ground takes no deltas: sending all of it");
    return undefined;
  }
  if (old) {
    const done = await sendDelta(session, file, { ...options, old }, shape);
    if (done !== "another base") return done;
    output.notice(`${old.source} is of no use: asking the edge for its file's chunks`);
  }
  const done = await sendDelta(session, file, options, shape);
  return done === "another base" ? undefined : done;
}

/** @returns `another base` when the edge cannot make the file of that delta; undefined when there is none that is worth it */
async function sendDelta(
  session: Session,
  file: LocalFile,
  { target, asked, old }: DeltaOptions,
  shape: (command: CommandView) => Body,
): Promise<Body | "another base" | undefined> {
  const { output, signal } = session;
  const base = old ? await listOf(old, signal) : await baseOf(session, file, target, asked);
  if (base === undefined) return undefined;
  let place: string | undefined;
  try {
    place = await mkdtemp(join(tmpdir(), "perigee-delta-"));
    const source = join(place, "delta");
    const made = await makeDelta(file, base, source, {
      ...{ signal, most: file.size * WORTH, old },
      progress: (done) => output.step("packing", { done, total: file.size }),
    });
    if (made === undefined) {
      if (old) output.notice(`too much differs from ${old.source}: sending all of it`);
      return undefined;
    }
    const { bytes: size, ...delta } = made;
    output.notice(`${bytes(size)} differ from ${old?.source ?? "the edge's file"}, of ${bytes(file.size)}`);
    return await uplinkInParts(session, [{ ...file, source, size }], { ...target, delta }, shape);
  } catch (error) {
    const why = whyWhole(error, { asked, old: old !== undefined });
    if (why === undefined) throw error;
    output.notice(`${why}${old ? "" : ": sending all of it"}`);
    return "another base";
  } finally {
    if (place !== undefined) await rm(place, { recursive: true, force: true });
  }
}

/** The chunks of a local file. */
async function listOf(file: LocalFile, signal: AbortSignal): Promise<ChunkList> {
  await using handle = await openAgain(file);
  // a byte more than it had: it may grow without end
  const content = handle.createReadStream({ autoClose: false, highWaterMark: READ, end: file.size, signal });
  try {
    return readChunkList(await buffer(listChunks(content, sha256Hash)), file.size);
  } catch (error) {
    throw error instanceof RangeError ? changed(file) : error;
  }
}

/** Why the file is sent whole after all; undefined when that would not help, or is not what the user asked for. */
function whyWhole(error: unknown, { asked, old }: { asked: boolean; old: boolean }): string | undefined {
  const { code = "" } = error as { code?: string };
  if (error instanceof CliFailure) {
    if (code === "DELTA_BASE_CHANGED")
      return old ? "the edge has another file" : "the edge's file has changed meanwhile";
    if (code === "UNSUPPORTED_OPERATION") return "the edge takes no deltas";
    const whole = NOT_MADE.includes(code) || (!asked && code === "STORAGE_FULL");
    return whole ? "the edge cannot make it of what differs" : undefined;
  }
  return !asked && NO_PLACE.includes(code) ? "there is no place here for what differs" : undefined;
}

/** The chunks of the file on the edge; undefined when there is none. */
async function baseOf(
  { client }: Session,
  file: LocalFile,
  { dest_path, ...volume }: Target,
  asked: boolean,
): Promise<ChunkList | undefined> {
  const patience = client.patience();
  const filepath = dest_path ? `${dest_path}/${file.path}` : file.path;
  try {
    const call = { method: "POST", path: "/uplinks/base", json: { ...volume, filepath } } as const;
    const answer = await client.whenFree(call, patience);
    const command = await followToSuccess(client, acceptedId(answer, await readJson(answer)), patience);
    const { size, chunker } = (command.result ?? {}) as { size?: number; chunker?: string };
    if (chunker !== CHUNKER || size === undefined || command.content === undefined) return undefined;
    const list = await client.send({ method: "GET", path: command.content, idleMs: IDLE_MS });
    if (list.status >= 300) throw await failureFrom(list);
    const chunks = readChunkList(await buffer(list.body), size);
    const gone = await client.send({ method: "DELETE", path: command.content, idleMs: IDLE_MS });
    gone.body.resume();
    client.current = undefined;
    return chunks;
  } catch (error) {
    const { current } = client;
    client.current = undefined;
    if (error instanceof RangeError) return undefined;
    if (!(error instanceof CliFailure)) throw error;
    if (WITHOUT.includes(error.code)) return undefined;
    if (asked || error.code === "CANCELLED") throw error;
    if (current !== undefined) await giveUp(client, current);
    return undefined;
  }
}

/** Cancels what still waits to tell the chunks. */
async function giveUp(client: Client, id: string): Promise<void> {
  const call = {
    method: "POST",
    path: `/commands/${encodeURIComponent(id)}/cancel`,
    idleMs: IDLE_MS,
  } as const;
  await client.json(call).catch(() => undefined);
}
