import { PerigeeError } from "#protocol/errors.ts";
import { isTerminal } from "#protocol/state.ts";
import { FIRST_LANE } from "../../../ledger/first-lane.ts";
import { ulid } from "../../../ledger/ulid.ts";
import { optimistically } from "../../../ports/optimistically.ts";
import type { DialectCore } from "../../core.ts";
import { findCommand } from "../find-command.ts";
import type { Images } from "../images/images.ts";
import { FPGA_LANE } from "../lane.ts";
import { type DeletionRecord, workKeys } from "./work-records.ts";

/**
 * An image becomes `deleting` in the transaction that queues its deletion on the edge, or that notes what it waits for: a
 * run, or an agent that knows how to delete.
 * @param before id of the command that was to delete it and did not, or that it waited for
 * @throws 404, 400 for a protected one; QUEUE_FULL
 */
export async function submitDeletion(
  core: DialectCore,
  images: Images,
  of: DeletionRecord,
  before?: string,
): Promise<void> {
  const { user, edge, project, image } = of;
  const run = await runBefore(core, of);
  if (run !== undefined) {
    await optimistically(async () =>
      core.records.transact([
        ...(await images.deleting(project, image)),
        { put: { ...workKeys.deletion(run), data: { user, edge, project, image } } },
        ...(before === undefined ? [] : [{ delete: workKeys.deletion(before) }]),
      ]),
    );
    return;
  }
  try {
    await core.dispatch.run({
      user,
      edge,
      lane: FPGA_LANE.name,
      operation: "fpga.delete",
      input: { image },
      admission: "queue",
      wait: { kind: "none" },
      records: async ({ id }) => [
        ...(await images.deleting(project, image)),
        { put: { ...workKeys.deletion(id), data: { user, edge, project, image } }, if: 0 },
        ...(before === undefined ? [] : [{ delete: workKeys.deletion(before) }]),
      ],
    });
  } catch (error) {
    if (!(error instanceof PerigeeError) || error.code !== "UNSUPPORTED_OPERATION") throw error;
    // the edge's agent is an older one: each round asks again, under the note that is there already
    if (before !== undefined) return;
    const data = { user, edge, project, image };
    await optimistically(async () => {
      const writes = await images.deleting(project, image);
      if (writes.length === 0) return;
      await core.records.transact([...writes, { put: { ...workKeys.deletion(ulid(core.now())), data } }]);
    });
  }
}

/**
 * Queues the deletion of an image of which this ground has no record any more. Where the queue is full, or the agent too
 * old, the note stays as it is, and the next round asks again.
 * @param before id under which it was noted
 */
export async function submitForgotten(core: DialectCore, of: DeletionRecord, before: string): Promise<void> {
  const { user, edge, image } = of;
  try {
    await core.dispatch.run({
      user,
      edge,
      lane: FPGA_LANE.name,
      operation: "fpga.delete",
      input: { image },
      admission: "queue",
      wait: { kind: "none" },
      records: async ({ id }) => [
        { put: { ...workKeys.deletion(id), data: of }, if: 0 },
        { delete: workKeys.deletion(before) },
      ],
    });
  } catch (error) {
    if (!(error instanceof PerigeeError)) throw error;
    core.log.debug({ code: error.code, edge }, "an FPGA image that was removed stays on the edge for now");
  }
}

/** A run with the image that was accepted, and that the agent has not: once it has, the edge keeps the file for it. */
async function runBefore(
  core: DialectCore,
  { user, edge, image }: Pick<DeletionRecord, "user" | "edge" | "image">,
): Promise<string | undefined> {
  const { lane } = (await core.dispatch.lookAtLane(edge, FIRST_LANE)).lane;
  const runs = [...lane.running, ...lane.queue].filter(
    (entry) => entry.user === user && entry.operation === "pod.run",
  );
  const commands = await Promise.all(runs.map(({ id }) => findCommand(core, user, id)));
  return commands.findLast(
    (command) =>
      command &&
      !isTerminal(command.state) &&
      (command.input as { fpga?: { image: string } }).fpga?.image === image,
  )?.id;
}
