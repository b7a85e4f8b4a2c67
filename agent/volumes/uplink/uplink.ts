import { killPoint } from "#protocol/kill-point.ts";
import type { StagedFile } from "#protocol/operations.ts";
import type { Reservation } from "../../budget/budget.ts";
import { type OperationContext, type OperationHandler, ShuttingDown } from "../../operation.ts";
import { measureLater } from "../delete.ts";
import { assertNoDisk, type VolumeDeps } from "../volume-deps.ts";
import type { Volumes } from "../volumes.ts";
import { checkTargets } from "./check-targets.ts";
import { Incoming } from "./incoming.ts";
import { directoriesOf, planOf } from "./plan.ts";
import { putInPlace } from "./put-in-place.ts";
import { receive } from "./receive.ts";

type Uplinking = "volume.uplink" | "volume.patch";
type Context<O extends Uplinking = Uplinking> = OperationContext<O>;

export type Received<O extends Uplinking> = {
  incoming: Incoming;
  context: Context<O>;
  /** throws when so many more bytes would go below the free-space floor */
  assertRoom: (bytes: number) => void;
};

/** Where the files of an uplink come from. */
type Source<O extends Uplinking> = {
  /** the files that are put in place */
  plan(context: Context<O>): Promise<StagedFile[]>;
  /** makes all of them complete in `incoming`; may be repeated */
  receive(received: Received<O>): Promise<void>;
};

/** Further entries that an uplink may create: directories of user, volume and uplink, and its plan. */
const MADE = 4;

/**
 * Puts staged files into a volume, all or none. They are received beside the volume and made durable, every
 * target is checked, `commit` is noted, and then they are renamed into place. Before `commit` a failure leaves
 * the volume as it was; after it a restart rolls forward.
 * @throws PerigeeError INVALID_PARAMETERS, ILLEGAL_PATH, CHECKSUM_MISMATCH, QUOTA_EXCEEDED, STORAGE_FULL, VOLUME_IN_USE
 */
export function uplinkHandler(volumes: Volumes, deps: VolumeDeps): OperationHandler<"volume.uplink"> {
  return landing(volumes, deps, {
    plan: async (context) => planOf(await context.manifest()),
    receive: ({ incoming, context, assertRoom }) => receive(incoming, context, assertRoom),
  });
}

/** Puts the files of `source` in place, all or none. */
export function landing<O extends Uplinking>(
  volumes: Volumes,
  deps: VolumeDeps,
  source: Source<O>,
): (context: Context<O>) => Promise<{ count: number; bytes: number }> {
  return async (context) => {
    const { command, input, journal } = context;
    const result = { count: input.count, bytes: input.bytes };
    const committed = journal.notes.some(({ step }) => step === "commit");
    let room: Reservation;
    try {
      room = committed
        ? deps.budget.take(command.user, input.bytes)
        : await prepare(volumes, deps, context, source);
    } catch (error) {
      // an agent that stops continues with these files at its next start; in all other cases they are removed
      if (!(error instanceof ShuttingDown)) await discard(volumes, command.id);
      throw error;
    }
    using reserved = room;
    await reserved.land(async () => {
      await commit(volumes, context);
      volumes.count(command.user, input.bytes);
    });
    killPoint("uplink.before.discard");
    await discard(volumes, command.id);
    killPoint("uplink.discarded");
    void measureLater(volumes, command.user);
    return result;
  };
}

/** Everything up to `commit`. @returns the bytes that the files will add, reserved */
async function prepare<O extends Uplinking>(
  volumes: Volumes,
  deps: VolumeDeps,
  context: Context<O>,
  source: Source<O>,
): Promise<Reservation> {
  const { command, input, journal, signal } = context;
  const resumed = Incoming.resume(volumes.incoming, command.id);
  const plan = resumed?.plan ?? (await source.plan(context));
  let incoming = resumed;
  let reserved: Reservation | undefined;
  try {
    signal.throwIfAborted();
    const replaced = check(volumes, deps, context, plan);
    const bytes = plan.reduce((sum, { size }) => sum + size, 0);
    reserved = await deps.budget.reserve(command.user, bytes - replaced);
    volumes.assertRoom(bytes - (resumed?.bytes() ?? 0));
    const entries = MADE + directoriesOf(plan).size;
    if (!resumed) volumes.assertEntries(entries + plan.length);
    incoming ??= await Incoming.begin(volumes.incoming, command.id, [...plan]);
    await source.receive({ incoming, context, assertRoom: (more) => volumes.assertRoom(more) });
    // again, since receiving may have taken long and a pod may have written meanwhile
    check(volumes, deps, context, plan);
    volumes.assertEntries(entries);
    signal.throwIfAborted();
    journal.note("commit", { volume: input.volume, files: plan.length });
    return reserved;
  } catch (error) {
    reserved?.[Symbol.dispose]();
    throw error;
  } finally {
    incoming?.close();
  }
}

/** The steps after `commit`: they cannot be cancelled, and may be repeated. */
async function commit(volumes: Volumes, { command, input, progress }: Context): Promise<void> {
  using incoming = Incoming.resume(volumes.incoming, command.id);
  // an earlier attempt finished it
  if (incoming === undefined) return;
  progress({ phase: "putting in place", done: 0, total: incoming.plan.length, unit: "files" });
  volumes.ensure(command.user, input.volume);
  using root = volumes.open(command.user, input.volume);
  if (root === undefined) throw new Error("the volume has vanished");
  const { hashes } = await putInPlace(root, incoming, volumes.trash, command.id);
  volumes.hashes.add(command.user, input.volume, hashes);
}

function check(
  volumes: Volumes,
  deps: VolumeDeps,
  { command, input }: Context,
  plan: Incoming["plan"],
): number {
  assertNoDisk(deps, command.user, input.volume);
  using root = volumes.open(command.user, input.volume);
  return root === undefined ? 0 : checkTargets(root, plan);
}

/** Moves the received files to the trash at once, and deletes them there. */
async function discard(volumes: Volumes, command: string): Promise<void> {
  try {
    volumes.discardIncoming(command);
    await volumes.trash.empty(`${command}.incoming`);
  } catch (error) {
    volumes.log.warn({ err: error, command }, "what an uplink left could not be removed");
  }
}
