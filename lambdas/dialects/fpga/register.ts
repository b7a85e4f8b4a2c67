import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import { imageIdOf } from "../../fields/fpga-image-id.ts";
import { readIdempotency } from "../../http/idempotency-key.ts";
import { json } from "../../http/json-answer.ts";
import { collectBody } from "../../http/read-body.ts";
import type { Command } from "../../ledger/command.ts";
import { ulid } from "../../ledger/ulid.ts";
import type { DialectContext } from "../dialect.ts";
import { projectIn } from "./caller-of-request.ts";
import { CHECK_BOUNDS } from "./checks/bounds.ts";
import { FPGA_LANE, PINS, STORE_MS } from "./lane.ts";
import type { FpgaParts } from "./parts.ts";
import type { Project } from "./project.ts";
import { readRegistration } from "./read-body.ts";
import { REFUSALS } from "./refusals.ts";
import type { Registration } from "./rules.ts";
import { type StoreRecord, workKeys } from "./store/work-records.ts";

/** `POST`: pins the object as it is now, and registers the image in the transaction that makes its command. */
export async function register(c: DialectContext, parts: FpgaParts): Promise<Response> {
  const { core, images, work } = parts;
  const project = await projectIn(c, core);
  const registration = readRegistration(await collectBody(c, LIMITS.bodyBytes));
  const stands = { project: project.id, ...registration };
  const order = await core.orderOf(c, project.user);
  const idempotency = readIdempotency(c.req.header("idempotency-key"), "fpga.register", stands);
  // one that is known takes no room, and is not refused for want of it
  const earlier = idempotency && (await core.commands.earlier(project.user, idempotency));
  if (earlier) return saving(earlier);
  const prefix = `${PINS}/${project.user}/${ulid(core.now())}/`;
  const { user, uid, edge } = project;
  let isUnused = false;
  try {
    const bytes = await pin(parts, project, registration, `${prefix}0`);
    killPoint("fpga.pinned");
    const { command, replayed } = await core.dispatch.stage(
      {
        user,
        edge,
        lane: FPGA_LANE.name,
        operation: "fpga.store",
        input: {},
        ...order,
        ...(idempotency && { idempotency }),
        async records({ id, createdAt }) {
          const image = imageIdOf(id);
          const of = { user, uid, edge, project: project.id, image, prefix };
          const store: StoreRecord = { ...of, ...(bytes !== undefined && { bytes }) };
          return [
            ...(await images.registered(project.id, {
              ...registration,
              id: image,
              createdAt,
              bytes: bytes ?? 0,
            })),
            { put: { ...workKeys.store(id), data: store }, if: 0 },
            { put: { ...workKeys.project(uid, edge), data: {} } },
          ];
        },
      },
      { prefix, until: core.now() + STORE_MS },
    );
    killPoint("fpga.registered");
    isUnused = replayed;
    await work.wake();
    return saving(command);
  } catch (error) {
    // after any other error the transaction may have landed, and the image needs what was kept
    isUnused = error instanceof PerigeeError;
    throw error;
  } finally {
    // what it cannot remove now, the janitor does
    if (isUnused)
      await core.staging.deletePrefix(prefix).catch((err) => core.log.warn({ err }, "a pin stays"));
  }
}

const saving = ({ id }: Command) => json({ fpga_image: { status: "saving", id: imageIdOf(id) } });

/** @returns the object's bytes; undefined when there is none. One that is too large is not pinned: it is refused unread. */
async function pin(
  { core, objects }: FpgaParts,
  { user, uid, edge }: Project,
  { bucket, key }: Registration,
  to: string,
): Promise<number | undefined> {
  const name = { owner: uid, bucket, key };
  const object = await objects.head(name);
  if (!object) return undefined;
  if (object.size > CHECK_BOUNDS.maxFile) return object.size;
  const left = await core.bytesLeft(user, edge);
  if (object.size > left) throw quotaRefusal(object.size, left);
  const bytes = await objects.pin(name, to);
  // of several at once that together take too much, each sees the others now
  const after = await core.bytesLeft(user, edge);
  if (after < 0 && bytes !== undefined) throw quotaRefusal(bytes, after + bytes);
  return bytes;
}

function quotaRefusal(bytes: number, left: number): PerigeeError {
  return REFUSALS.quota(`The object has ${bytes} bytes, and ${Math.max(0, left)} of the byte quota are left`);
}
