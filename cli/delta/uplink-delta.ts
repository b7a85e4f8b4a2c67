import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { type ListedChunk, readChunkList } from "#protocol/chunking/chunk-list.ts";
import { CHUNKER } from "#protocol/chunking/chunker.ts";
import { acceptedId, type Body, failureFrom, readJson } from "../client.ts";
import type { CommandView } from "../command-view.ts";
import { CliFailure } from "../failure.ts";
import type { LocalFile } from "../files/collect.ts";
import { followToSuccess } from "../follow.ts";
import { bytes } from "../output/text.ts";
import { type Target, uplinkInParts } from "../parts/uplink-in-parts.ts";
import type { Session } from "../session.ts";
import { makeDelta } from "./make-delta.ts";

const IDLE_MS = 120_000;
/** A delta of more than this part of the file is not worth its risk of having to send it whole afterwards. */
const WORTH = 0.8;
/** Why there is no delta: the ground, the edge or the file has none to offer, or the file has changed meanwhile. */
const WITHOUT = ["NOT_FOUND", "FILE_NOT_FOUND", "METHOD_NOT_ALLOWED", "UPLINK_NOT_FOUND", "INVALID_PATH"];

/**
 * Sends a file as what differs from the one that is at its path on the edge.
 * @returns the uplink's answer; undefined when the file is to be sent whole
 */
export async function uplinkDelta(
  session: Session,
  file: LocalFile,
  target: Target,
  shape: (command: CommandView) => Body,
): Promise<Body | undefined> {
  const { output, signal } = session;
  const base = await baseOf(session, file, target);
  if (base === undefined) return undefined;
  const place = await mkdtemp(join(tmpdir(), "perigee-delta-"));
  try {
    const path = join(place, "delta");
    const { fresh, ...delta } = await makeDelta(file, base, path, signal);
    const { size } = await stat(path);
    if (size > file.size * WORTH) return undefined;
    output.notice(`${bytes(size)} differ from the edge's file, of ${bytes(file.size)}`);
    return await uplinkInParts(session, [{ ...file, source: path, size }], { ...target, delta }, shape);
  } catch (error) {
    if (!(error instanceof CliFailure) || error.code !== "DELTA_BASE_CHANGED") throw error;
    output.notice("the edge's file has changed meanwhile: sending all of it");
    return undefined;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** The chunks of the file on the edge; undefined when there is none. */
async function baseOf(
  { client }: Session,
  file: LocalFile,
  { dest_path, ...volume }: Target,
): Promise<ListedChunk[] | undefined> {
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
    client.current = undefined;
    if (error instanceof RangeError) return undefined;
    if (error instanceof CliFailure && WITHOUT.includes(error.code)) return undefined;
    throw error;
  }
}
