import { setTimeout as sleep } from "node:timers/promises";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { isErrno } from "../files/directory.ts";
import { isMissing, openParent } from "../files/open-beneath.ts";
import type { OperationContext, OperationHandler } from "../operation.ts";
import { assertNoDisk, type VolumeDeps } from "./volume-deps.ts";
import type { Volumes } from "./volumes.ts";

/** Both names of the operation: the older one is what grounds up to 0.2 send. */
export type FileDelete = "file.delete" | "volume.delete";
type Context = OperationContext<FileDelete>;

/**
 * Deletes a file, a link (never what it points to) or a directory with all that is in it. It leaves
 * the volume at once and completely; freeing its disk space may continue after the command has ended.
 *
 * It takes effect once: `commit` is noted before the move into the trash, `moved` after it, and the entry stays there
 * under the command's id until the command ends. A repeated delete that was moved, or finds nothing, has succeeded.
 * @throws PerigeeError DELETE_FAILED, ILLEGAL_PATH, VOLUME_IN_USE
 */
export function deleteHandler(
  volumes: Volumes,
  deps: Pick<VolumeDeps, "isDiskInUse">,
): OperationHandler<FileDelete> {
  return async (context) => {
    const { command, input, journal, signal } = context;
    if (input.path === "") {
      throw new PerigeeError("DELETE_FAILED", "The volume's root is emptied only by pvc/delete");
    }
    const begun = journal.notes.some(({ step }) => step === "commit");
    const moved = journal.notes.some(({ step }) => step === "moved") || volumes.trash.has(command.id);
    if (!moved) {
      if (!begun) assertNoDisk(deps, command.user, input.volume);
      move(volumes, context, begun);
      journal.note("moved");
    }
    await emptyTrash(volumes, command.id, signal);
    void measureLater(volumes, command.user);
    return {};
  };
}

function move(volumes: Volumes, { command, input, journal, signal }: Context, begun: boolean): void {
  using root = volumes.open(command.user, input.volume);
  try {
    if (root === undefined) throw missing(input.path);
    const { parent, name } = openParent(root, input.path);
    using held = parent;
    held.lstat(name);
    signal.throwIfAborted();
    if (!begun) journal.note("commit");
    volumes.trash.take(held, name, command.id);
  } catch (error) {
    const gone = isMissing(error) || (error instanceof PerigeeError && error.code === "DELETE_FAILED");
    if (gone && begun) return;
    if (isMissing(error)) throw missing(input.path);
    if (isErrno(error, "EBUSY", "EXDEV", "EPERM", "EACCES", "EROFS")) {
      throw new PerigeeError("DELETE_FAILED", `${input.path} could not be deleted`, { cause: error });
    }
    throw error;
  }
}

/** How long (ms) a command waits until disk space is freed; after that, deleting continues in the background. */
const EMPTY_MS = 20_000;

/** Deletes what was moved to the trash, in the background if it takes long; the agent's next start deletes the rest. */
export async function emptyTrash(volumes: Volumes, id: string, signal: AbortSignal): Promise<void> {
  killPoint("trash.emptying");
  const over = new AbortController();
  const emptied = volumes.trash.empty(id, volumes.closing).catch((error: unknown) => {
    if (!volumes.closing.aborted) volumes.log.warn({ err: error, id }, "the trash is not empty yet");
  });
  const enough = sleep(EMPTY_MS, undefined, { signal: AbortSignal.any([signal, over.signal]) });
  await Promise.race([emptied, enough.catch(() => undefined)]);
  over.abort();
}

export async function measureLater(volumes: Volumes, user: string): Promise<void> {
  try {
    await volumes.measure(user);
  } catch (error) {
    volumes.log.warn({ err: error, user }, "a user's volumes could not be measured");
  }
}

function missing(path: string): PerigeeError {
  return new PerigeeError("DELETE_FAILED", `File delete failed: there is nothing at ${path}`);
}
