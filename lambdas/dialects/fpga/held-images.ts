import type { Hono } from "hono";
import type * as z from "zod";
import { fpgaHeldRequest } from "#protocol/wire.ts";
import { body } from "../../agent-api/body.ts";
import { commandOf } from "../../fields/fpga-image-id.ts";
import type { GroundEnv } from "../../http/env.ts";
import { optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import { findCommand } from "./find-command.ts";
import { partsOf } from "./parts.ts";
import { type Project, projectOf } from "./project.ts";
import { workKeys } from "./store/work-records.ts";

const BODY_BYTES = 16 * 1024 * 1024;
const PAGE = 100;

/**
 * POST held: the images that an agent had when it started, before it took any command, or those of a range of ids. What is
 * not there is lost, unless it was stored since.
 */
export function heldImages(app: Hono<GroundEnv>, core: DialectCore): void {
  app.post("/held", async (c) => {
    const { epoch, held, ...meant } = await body(c, fpgaHeldRequest, BODY_BYTES);
    const edge = c.get("edge");
    await core.requireEpoch(edge, epoch);
    const images = new Map(held.map(({ user, images }) => [user, new Set(images)]));
    for (let after = ""; ; ) {
      const users = await core.users.page({ after, limit: PAGE });
      for (const user of users) {
        const project = projectOf(user, edge);
        const known = await core.records.get(workKeys.project(user.uid, edge));
        if (known) await loseOthers(core, project, { held: images.get(user.name) ?? new Set(), ...meant });
      }
      const last = users.at(-1);
      if (!last || users.length < PAGE) break;
      after = last.name;
    }
    return c.json({});
  });
}

type Held = { held: ReadonlySet<string> } & Pick<z.infer<typeof fpgaHeldRequest>, "at" | "from" | "to">;

/** The active images of a project that are meant and that the edge does not hold are lost. */
async function loseOthers(core: DialectCore, project: Project, { held, at, from, to }: Held): Promise<void> {
  const { images } = partsOf(core);
  for (const { id, status } of await images.all(project.id)) {
    if (status !== "active" || held.has(id)) continue;
    if ((from !== undefined && id < from) || (to !== undefined && id >= to)) continue;
    if (at !== undefined && (await isStoredSince(core, project, id, at))) continue;
    await optimistically(async () => {
      const writes = await images.lost(project.id, id);
      if (writes.length > 0) await core.records.transact(writes);
    });
  }
}

/** One whose command this ground has forgotten was stored long ago. */
async function isStoredSince(core: DialectCore, { user }: Project, id: string, at: number): Promise<boolean> {
  const command = await findCommand(core, user, commandOf(id));
  return command !== undefined && (command.endedAt ?? Number.POSITIVE_INFINITY) >= at;
}
