import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Spooled } from "../files/spool.ts";
import { TreeTooLarge } from "../files/walk-tree.ts";
import { zipDirectory } from "../files/zip-directory.ts";
import type { OperationContext } from "../operation.ts";
import type { JobDeps } from "./job-deps.ts";
import { volumesOf } from "./job-volumes.ts";

/** A job's files are more than a result may be; the message is for people. */
export class ResultTooLarge extends Error {
  override readonly name = "ResultTooLarge";
}

/** The edge has no room for a job's zip now; the message is for people. */
export class NoRoomForResult extends Error {
  override readonly name = "NoRoomForResult";
}

/** Bytes that a result may have, and room for the zip's own. */
export function mostOfResult({ budget }: Pick<JobDeps, "budget">): { files: number; zip: number } {
  const files = Math.min(LIMITS.jobResultBytes, budget.quota);
  return { files, zip: Math.ceil(files * 1.05) + 64 * LIMITS.pathBytes };
}

/**
 * The zip of a job's outbox: its regular files. One that an earlier attempt has packed is gone on with. The caller
 * disposes it.
 * @throws ResultTooLarge; NoRoomForResult; the signal's reason
 */
export async function packOutbox(deps: JobDeps, context: OperationContext<"job.run">): Promise<Spooled> {
  const { command, input, signal } = context;
  const most = mostOfResult(deps);
  using directory = deps.volumes.open(command.user, volumesOf(command.id, input.space).all[1]);
  if (!directory) throw new Error("the outbox has vanished");
  let closed = Promise.resolve();
  const make = () => {
    const zip = zipDirectory(directory, { signal, maxBytes: most.files, directories: false });
    closed = new Promise((resolve) => zip.once("close", () => resolve()));
    return zip;
  };
  try {
    return await context.spool(0, make, most.zip);
  } catch (error) {
    signal.throwIfAborted();
    throw reasonOf(error);
  } finally {
    // it reads through the directory
    await closed;
  }
}

function reasonOf(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof TreeTooLarge) return new ResultTooLarge(cause.message, { cause: error });
    if (!(cause instanceof PerigeeError)) continue;
    if (cause.code === "QUOTA_EXCEEDED") return new ResultTooLarge(cause.message, { cause: error });
    if (cause.code === "STORAGE_FULL") return new NoRoomForResult(cause.message, { cause: error });
  }
  return error;
}
