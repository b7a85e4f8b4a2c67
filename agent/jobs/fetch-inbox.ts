import type { Reservation } from "../budget/budget.ts";
import type { OperationContext } from "../operation.ts";
import { receiveInto } from "../volumes/scratch.ts";
import type { JobDeps } from "./job-deps.ts";
import { volumesOf } from "./job-volumes.ts";

/**
 * Makes the volumes of a job, and receives its staged files into the inbox as an uplink's are; what an earlier attempt
 * has received is gone on with. {@link forgetReceived} afterwards, once it is noted.
 * @throws PerigeeError INVALID_PARAMETERS, CHECKSUM_MISMATCH, QUOTA_EXCEEDED, STORAGE_FULL; the signal's reason
 */
export async function fetchInbox(deps: JobDeps, context: OperationContext<"job.run">): Promise<void> {
  const { volumes, budget } = deps;
  const { command, input } = context;
  const { all } = volumesOf(command.id, input.space);
  volumes.ensureAll(command.user, all);
  if (input.files.count === 0) return;
  let reserved: Reservation | undefined;
  try {
    const directory = await receiveInto(volumes, fetching(context), {
      open: () => volumes.open(command.user, all[0]),
      reserve: async (bytes) => {
        reserved = await budget.reserve(command.user, bytes);
      },
    });
    directory.close();
    await reserved?.land(async () => volumes.count(command.user, reserved?.bytes ?? 0));
  } finally {
    reserved?.[Symbol.dispose]();
  }
}

/** What was received for a command is not needed any more: it lies in its place, and that is noted, or never will. */
export async function forgetReceived({ volumes }: Pick<JobDeps, "volumes">, command: string): Promise<void> {
  volumes.discardIncoming(command);
  await volumes.trash.empty(`${command}.incoming`);
}

/** The machinery of uplinks says "receiving" to people. */
function fetching(context: OperationContext<"job.run">): OperationContext<"job.run"> {
  return { ...context, progress: (progress) => context.progress({ ...progress, phase: "fetching" }) };
}
