import type { Hono } from "hono";
import { fpgaHeldRequest } from "#protocol/wire.ts";
import { body } from "../../agent-api/body.ts";
import type { GroundEnv } from "../../http/env.ts";
import { optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import { partsOf } from "./parts.ts";
import { projectOf } from "./project.ts";
import { workKeys } from "./store/work-records.ts";

const BODY_BYTES = 16 * 1024 * 1024;
const PAGE = 100;

/** POST held: the images that an agent has when it starts, before it takes any command. What is not there is lost. */
export function heldImages(app: Hono<GroundEnv>, core: DialectCore): void {
  app.post("/held", async (c) => {
    const { epoch, held } = await body(c, fpgaHeldRequest, BODY_BYTES);
    const edge = c.get("edge");
    await core.requireEpoch(edge, epoch);
    const images = new Map(held.map(({ user, images }) => [user, new Set(images)]));
    for (let after = ""; ; ) {
      const users = await core.users.page({ after, limit: PAGE });
      for (const user of users) {
        const project = projectOf(user, edge);
        const known = await core.records.get(workKeys.project(user.uid, edge));
        if (known) await loseOthers(core, project.id, images.get(user.name) ?? new Set());
      }
      const last = users.at(-1);
      if (!last || users.length < PAGE) break;
      after = last.name;
    }
    return c.json({});
  });
}

/** The active images of a project that the edge does not hold are lost. */
async function loseOthers(core: DialectCore, project: string, held: ReadonlySet<string>): Promise<void> {
  const { images } = partsOf(core);
  for (const { id, status } of await images.all(project)) {
    if (status !== "active" || held.has(id)) continue;
    await optimistically(async () => {
      const writes = await images.lost(project, id);
      if (writes.length > 0) await core.records.transact(writes);
    });
  }
}
