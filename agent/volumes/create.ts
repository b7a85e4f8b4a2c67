import { join } from "node:path";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { Directory } from "../files/directory.ts";
import { type DiskMaker, fittingBytes } from "../files/disk-maker.ts";
import { withOnlyFile } from "../files/only-file.ts";
import { syncTree } from "../files/sync-tree.ts";
import { unpack } from "../files/unpack.ts";
import type { OperationContext, OperationHandler } from "../operation.ts";
import { measureLater } from "./delete.ts";
import { makeDisk, takeDisk } from "./fill-disk.ts";
import { receiveScratch } from "./scratch.ts";
import type { VolumeDeps } from "./volume-deps.ts";
import type { Volumes } from "./volumes.ts";

type Context = OperationContext<"volume.create">;

/** Where the data is unpacked, beside the archive: in the place of the command. */
const MADE = "made";

/** What an archive holds that goes into a disk: beside {@link MADE}. */
const FILES = "files";

/**
 * Makes a volume, with the data of a staged archive: a directory, or one with a disk in it. It is made beside its place,
 * `commit` is noted, and then it is renamed: before that a failure leaves nothing, after it a restart goes on.
 * @throws PerigeeError VOLUME_EXISTS, DATA_TOO_LARGE, SOURCES_REFUSED, NOT_SUPPORTED, QUOTA_EXCEEDED, STORAGE_FULL
 */
export function createHandler(volumes: Volumes, deps: VolumeDeps): OperationHandler<"volume.create"> {
  return async (context) => {
    const { command, input, journal } = context;
    const { user } = command;
    const committed = journal.notes.find(({ step }) => step === "commit")?.detail as
      | { bytes: number }
      | undefined;
    if (!committed) await assertCan(volumes, deps, context);
    if (input.kind === "directory" && input.source === "empty") {
      if (!committed) journal.note("commit", { bytes: 0 });
      volumes.ensure(user, input.volume, input.sizeBytes);
      return { bytes: 0 };
    }
    const bytes = committed?.bytes ?? (await fill(volumes, deps, context));
    if (committed) await rename(volumes, context);
    void measureLater(volumes, user);
    return { bytes };
  };
}

async function assertCan(
  volumes: Volumes,
  { disks }: VolumeDeps,
  { command, input }: Context,
): Promise<void> {
  if (input.kind !== "directory") await requireDisks(disks).requireTools();
  else if (input.source === "raw") throw new PerigeeError("NOT_SUPPORTED", "A directory takes no raw data");
  if (volumes.exists(command.user, input.volume)) {
    throw new PerigeeError("VOLUME_EXISTS", `volume ${input.volume} already exists`);
  }
}

/** @throws PerigeeError NOT_SUPPORTED */
function requireDisks(disks: DiskMaker | undefined): DiskMaker {
  if (disks) return disks;
  throw new PerigeeError("NOT_SUPPORTED", "The edge keeps volumes as directories, and no disk images");
}

/** Everything up to the rename. @returns bytes of the data, or of the disk */
async function fill(volumes: Volumes, deps: VolumeDeps, context: Context): Promise<number> {
  const { command, input, journal, signal } = context;
  const { user } = command;
  // nothing was staged for a disk without data
  const staged = input.source === "empty" ? { ...context, manifest: async () => [] } : context;
  await using archive = await receiveScratch(volumes, staged, {
    reserve: (bytes) => deps.budget.reserve(user, bytes),
  });
  const known = input.kind === "directory" ? undefined : input.sizeBytes;
  using reserved = await deps.budget.reserve(user, known);
  using place = openPlace(volumes, command.id);
  // of an attempt that was cut short
  for (const name of [MADE, FILES]) {
    if (place.has(name)) volumes.trash.take(place, name, `${command.id}.${name}-${Date.now()}`);
  }
  using made = place.makeDirectory(MADE, 0o777);
  const path = join(volumes.incoming, command.id, MADE);
  const bytes =
    input.kind === "directory"
      ? await unpackTo(made, archive.directory, { volumes, deps, context })
      : await fillDisk(path, place, archive.directory, { volumes, deps, context });
  killPoint("volume.unpacked");
  await syncTree(path, signal);
  const size = await volumes.measurePath(path);
  signal.throwIfAborted();
  await reserved.land(
    async () => {
      journal.note("commit", { bytes });
      killPoint("volume.committed");
      await rename(volumes, context);
      volumes.count(user, size);
    },
    async () => Math.max(0, size - (known ?? 0)),
  );
  return bytes;
}

type Parts = { volumes: Volumes; deps: VolumeDeps; context: Context };

/** @returns bytes of the data */
async function unpackTo(
  target: Directory,
  archive: Directory,
  { volumes, deps, context }: Parts,
): Promise<number> {
  const { input, signal, progress } = context;
  const most = input.sizeBytes ?? Number.POSITIVE_INFINITY;
  progress({ phase: "unpacking" });
  try {
    return await withOnlyFile(archive, (fd) =>
      unpack(fd, target, {
        signal,
        maxBytes: Math.min(most, deps.budget.quota),
        access: "all",
        leftOut: () => undefined,
        assertRoom: (more) => volumes.assertRoom(more),
      }),
    );
  } catch (error) {
    const over = error instanceof PerigeeError && error.code === "QUOTA_EXCEEDED";
    throw over && most < deps.budget.quota ? tooLarge(error) : error;
  }
}

/** @returns bytes of the disk */
async function fillDisk(volume: string, place: Directory, archive: Directory, parts: Parts): Promise<number> {
  const { volumes, deps, context } = parts;
  const { kind, source, sizeBytes } = context.input;
  if (kind === "directory") throw new TypeError("a directory is no disk");
  const { signal } = context;
  const disk = { kind, sizeBytes, signal, volume, assertRoom: (bytes: number) => volumes.assertRoom(bytes) };
  if (source === "raw") return takeDisk(disk, archive);
  const disks = requireDisks(deps.disks);
  if (source === "empty") return makeDisk(disks, disk);
  using tree = place.makeDirectory(FILES, 0o700);
  await unpackTo(tree, archive, parts);
  const bytes = await volumes.measurePath(join(volumes.incoming, context.command.id, FILES));
  const { user } = context.command;
  using _ = sizeBytes === undefined ? await deps.budget.reserve(user, fittingBytes(bytes)) : undefined;
  return await makeDisk(disks, disk, { tree, bytes });
}

/** The step after `commit`: it may be repeated. */
async function rename(volumes: Volumes, { command, input }: Context): Promise<void> {
  if (!volumes.exists(command.user, input.volume)) {
    using place = openPlace(volumes, command.id);
    // a disk is as large as it is
    const most = input.kind === "directory" ? input.sizeBytes : undefined;
    volumes.adopt(command.user, input.volume, place, MADE, most);
  }
  killPoint("volume.made");
  volumes.discardIncoming(command.id);
  await volumes.trash.empty(`${command.id}.incoming`);
}

function openPlace(volumes: Volumes, command: string): Directory {
  using incoming = Directory.open(volumes.incoming);
  return incoming.openDirectory(command);
}

function tooLarge(cause: unknown): PerigeeError {
  return new PerigeeError("DATA_TOO_LARGE", "data does not fit into size", { cause });
}
