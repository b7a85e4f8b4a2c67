import fs from "node:fs";
import type { Directory } from "../files/directory.ts";
import { type OperationContext, ShuttingDown } from "../operation.ts";
import { Incoming } from "./uplink/incoming.ts";
import { directoriesOf, planOf } from "./uplink/plan.ts";
import { putInPlace } from "./uplink/put-in-place.ts";
import { receive } from "./uplink/receive.ts";
import type { Volumes } from "./volumes.ts";

/** Staged files of one command as a tree, for as long as it runs. */
export type Scratch = AsyncDisposable & { readonly directory: Directory };

type Context = Pick<OperationContext, "command" | "manifest" | "fetchInto" | "progress" | "signal">;

const TREE = "tree";
/** Made when all files are in the tree, so that a command that is begun again need not receive them again. */
const PLACED = "placed";
/** What the tree takes beside its files and their directories. */
const MADE = 4;

export type ScratchOptions = {
  /** lets in so many bytes more of the user's, until they are disposed of */
  reserve(bytes: number): Promise<Disposable>;
  /** default true; without it nothing waits for the disk, and what another life of the machine received is checked anew */
  isDurable?: boolean;
};

/**
 * Receives a command's staged files, as an uplink's are, into a place that only the agent can reach. It is gone when
 * the command has ended; a stopping agent leaves it for its next start.
 * @throws PerigeeError INVALID_PARAMETERS, CHECKSUM_MISMATCH, STORAGE_FULL; what `reserve` throws
 */
export async function receiveScratch(
  volumes: Volumes,
  context: Context,
  { reserve, isDurable = true }: ScratchOptions,
): Promise<Scratch> {
  const { command, signal } = context;
  let reserved: Disposable | undefined;
  const discard = async () => {
    reserved?.[Symbol.dispose]();
    if (!(signal.reason instanceof ShuttingDown)) await discardScratch(volumes, command.id, isDurable);
  };
  try {
    const directory = await receiveInto(volumes, context, {
      isDurable,
      open: (incoming) => incoming.directory.makeDirectory(TREE, 0o700),
      reserve: async (bytes) => {
        reserved = await reserve(bytes);
      },
    });
    return {
      directory,
      async [Symbol.asyncDispose]() {
        directory.close();
        await discard();
      },
    };
  } catch (error) {
    await discard();
    throw error;
  }
}

/** Removes what a command has received; nothing there is no error. @param isDurable see {@link Volumes.discardIncoming} */
export async function discardScratch(volumes: Volumes, command: string, isDurable = true): Promise<void> {
  volumes.discardIncoming(command, isDurable);
  await volumes.trash.empty(`${command}.incoming`);
}

export type Target = {
  /** opens the directory for the files; no other writer may have it open */
  open(incoming: Incoming): Directory | undefined;
  /** lets in so many bytes more of the user's; not asked again for what an earlier attempt has put in place */
  reserve(bytes: number): Promise<unknown>;
  /** see {@link ScratchOptions} */
  isDurable?: boolean;
};

/**
 * Receives a command's staged files, as an uplink's are, into a directory. Done again, it goes on with what is there,
 * until what was received is discarded.
 * @returns the directory, which the caller closes
 * @throws PerigeeError INVALID_PARAMETERS, CHECKSUM_MISMATCH, STORAGE_FULL; what `reserve` throws
 */
export async function receiveInto(volumes: Volumes, context: Context, target: Target): Promise<Directory> {
  const { command, signal } = context;
  const { isDurable = true } = target;
  // what a power cut has left may be less than it says
  if (!isDurable && !Incoming.isOfThisLife(volumes.incoming, command.id)) {
    await Incoming.keepContent(volumes.incoming, command.id);
  }
  const resumed = Incoming.resume(volumes.incoming, command.id);
  const plan = resumed?.plan ?? planOf(await context.manifest());
  using incoming = resumed ?? (await Incoming.begin(volumes.incoming, command.id, [...plan], isDurable));
  const tree = target.open(incoming);
  if (!tree) throw new Error("there is no place for the files");
  try {
    if (incoming.directory.has(PLACED)) return tree;
    const bytes = plan.reduce((sum, { size }) => sum + size, 0);
    await target.reserve(bytes);
    volumes.assertRoom(bytes - incoming.bytes());
    volumes.assertEntries(MADE + directoriesOf(plan).size + plan.length);
    await receive(incoming, context, (more) => volumes.assertRoom(more));
    signal.throwIfAborted();
    await putInPlace(tree, incoming, volumes.trash, command.id);
    fs.writeFileSync(incoming.directory.at(PLACED), "");
    return tree;
  } catch (error) {
    tree.close();
    throw error;
  }
}
