import fs from "node:fs";
import { promisify } from "node:util";
import { Xxh64 } from "@node-rs/xxhash";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { MiB } from "#protocol/limits.ts";
import type { StagedFile } from "#protocol/operations.ts";
import { xxh64Text } from "#protocol/xxh64-text.ts";
import { diskFullOr } from "../../files/free-space.ts";
import { receiveContent, WrongContent } from "../../files/receive-content.ts";
import { markUplinked, UPLINK_MODE } from "../../files/uplink-mark.ts";
import type { OperationContext } from "../../operation.ts";
import type { Incoming } from "./incoming.ts";

const fsync = promisify(fs.fsync);

/** Files up to this size are received several at a time: they cost round trips, not bandwidth. */
const SMALL = 1 * MiB;
const PARALLEL = 4;
/** The free space is checked again after so many bytes. */
const ROOM_BYTES = 64 * MiB;

type Context = Pick<OperationContext, "fetchInto" | "progress" | "signal">;

/**
 * Receives every file of the plan that is missing; each is checked against its hash, and as durable as `incoming` is,
 * when this returns. A partial file of an earlier attempt is continued.
 * @param assertRoom throws when so many more bytes would go below the free-space floor
 * @throws PerigeeError STORAGE_FULL, CHECKSUM_MISMATCH; the signal's reason
 */
export async function receive(
  incoming: Incoming,
  context: Context,
  assertRoom: (bytes: number) => void,
): Promise<void> {
  const { plan } = incoming;
  const total = plan.reduce((sum, { size }) => sum + size, 0);
  const arrived = new Map<number, number>();
  let sum = 0;
  let looked = 0;
  const account = (n: number, bytes: number) => {
    sum += bytes - (arrived.get(n) ?? 0);
    arrived.set(n, bytes);
    context.progress({ phase: "receiving", done: sum, total, unit: "bytes" });
    if (sum - looked >= ROOM_BYTES) {
      looked = sum;
      assertRoom(0);
    }
  };
  const one = async (file: StagedFile) => {
    context.signal.throwIfAborted();
    if (!incoming.has(file.n)) await receiveFile(incoming, file, context, (bytes) => account(file.n, bytes));
    account(file.n, file.size);
  };

  await receiving(context, async () => {
    const small = plan.filter(({ size }) => size <= SMALL).values();
    const lane = async () => {
      for (const file of small) await one(file);
    };
    const lanes = await Promise.allSettled(Array.from({ length: PARALLEL }, lane));
    for (const result of lanes) if (result.status === "rejected") throw result.reason;
    for (const file of plan) if (file.size > SMALL) await one(file);
    if (incoming.isDurable) incoming.directory.sync();
  });
}

/** What goes wrong in `work` is thrown as its user is to see it. */
export async function receiving(
  { signal }: Pick<Context, "signal">,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    throw diskFullOr(error);
  }
}

/** Receives one staged file, checked and as durable as the rest, as `<n>`. @throws PerigeeError CHECKSUM_MISMATCH */
export async function receiveFile(
  incoming: Incoming,
  { n, path, size, xxh64 }: StagedFile,
  context: Context,
  progress: (bytes: number) => void,
): Promise<void> {
  const { directory } = incoming;
  const part = `${n}.part`;
  const fd = fs.openSync(directory.at(part), fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  try {
    markUplinked(fd);
    fs.fchmodSync(fd, UPLINK_MODE);
    await receiveContent(fd, { n, size, hash: xxh64, makeHash }, context, progress);
    if (incoming.isDurable) await fsync(fd);
  } catch (error) {
    if (!(error instanceof WrongContent)) throw error;
    // The staged file itself differs: its sender declared another hash.
    const message = `files: ${JSON.stringify(path)} did not arrive as it was sent: ${error.message}`;
    throw new PerigeeError("CHECKSUM_MISMATCH", message, { cause: error });
  } finally {
    fs.closeSync(fd);
  }
  killPoint("uplink.received");
  directory.rename(part, directory, String(n));
}

function makeHash() {
  const hash = new Xxh64();
  return {
    update: (chunk: Buffer) => hash.update(chunk),
    text: () => xxh64Text(hash.digest()),
  };
}
