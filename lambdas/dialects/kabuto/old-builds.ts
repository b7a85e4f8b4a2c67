import type { DialectCore } from "../core.ts";
import { keepOutputs } from "./kept-outputs.ts";
import type { Owner } from "./owner.ts";
import { type BuildRecord, keys } from "./records.ts";

/** Builds of a user that are known after their end: the oldest that have ended go first. */
export const MOST_BUILDS = 200;
/** Looked at in one go: those under way are bounded by the queue and the lane. */
const MOST_SEEN = MOST_BUILDS + 200;
const AT_ONCE = 20;

/** In a Lambda one build in so many tidies: fewer than go then, so that they do not pile up. */
const TURNS = 16;

/**
 * Tidies the builds of a user who has just begun one: after the answer, where the process lives on. A Lambda freezes
 * with its answer, so there one build in a few pays for the others.
 */
export async function tidyBuildsBeside(core: DialectCore, owner: Owner, build: string): Promise<void> {
  const isTurn = build.charCodeAt(build.length - 1) % TURNS === 0;
  if (core.timeLeftMs && !isTurn) return;
  const tidied = tidyBuilds(core, owner).catch((error: unknown) => {
    core.log.warn({ err: error }, "old builds are left for the next round");
  });
  if (core.timeLeftMs) await tidied;
}

/**
 * Keeps the outputs of builds that have ended, and forgets the oldest such builds, so that failing ones do not pile up
 * for 90 days.
 */
export async function tidyBuilds(core: DialectCore, owner: Owner): Promise<void> {
  const { records } = core;
  const all = await records.query<BuildRecord>({ pk: owner.uid, prefix: "build#", limit: MOST_SEEN });
  const ended = all.filter(({ data }) => data.end !== undefined);
  const over = ended.slice(0, Math.max(0, all.length - MOST_BUILDS)).slice(0, AT_ONCE);
  if (over.length > 0)
    await records.transact(over.map(({ data }) => ({ delete: keys.build(owner.uid, data.id) })));
  const gone = new Set(over);
  await keepOutputs(
    core,
    owner,
    all.filter((item) => !gone.has(item)),
  );
}
