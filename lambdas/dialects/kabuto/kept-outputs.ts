import { json } from "node:stream/consumers";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Item } from "../../ports/ledger-store.ts";
import type { DialectCore } from "../core.ts";
import { BuildOutput } from "./build-output.ts";
import { outputsOf } from "./kept.ts";
import type { Owner } from "./owner.ts";
import type { BuildRecord } from "./records.ts";

type Core = Pick<DialectCore, "commands" | "log" | "now" | "staging">;

/** Rows of a log that are read at once. */
const PAGE = 10_000;
/** Bytes of an output's JSON: its objects, and the reason of a failure. */
const MOST_BYTES = 2 * 1024 * 1024;
/** Rows that are not here so long (ms) after the end are not waited for: what is there is not yet kept for good. */
const LATE_MS = 10 * 60_000;
/** They come no more. */
const SETTLED_MS = 24 * 3600_000;
/** The ground has the logs of so many newer builds in any case. */
const SURELY_THERE = 40;
/** Outputs that are kept in one go. */
const AT_ONCE = 10;

/**
 * The objects of a build that has ended with a log, which are kept from then on; undefined while the log is not here.
 * @param isOld its log may be dropped soon
 */
export async function outputOf(
  core: Core,
  owner: Owner,
  build: BuildRecord,
  isOld = false,
): Promise<object[] | undefined> {
  const key = `${outputsOf(owner)}${build.id}`;
  const kept = await readKept(core, key);
  if (kept) return kept;
  const command = await core.commands.command(owner.user, build.id);
  const log = new BuildOutput();
  for (let after = 0; ; ) {
    const page = await core.commands.rows(command, { after, limit: PAGE });
    log.add(page);
    if (page.complete) break;
    if (page.rows.length === 0) return undefined;
    after = page.next;
  }
  const output = objectsOf(build, log);
  if (isOld || isWhole(core, command.endedAt)) {
    const bytes = Buffer.from(JSON.stringify(output));
    await core.staging
      .put(key, bytes, { maxBytes: MOST_BYTES })
      .catch((error: unknown) => core.log.warn({ err: error }, "a build's output is kept later"));
  }
  return output;
}

/** Keeps the outputs of builds, given by age, that nobody asked for, and removes those of builds that are known no more. */
export async function keepOutputs(
  core: Core,
  owner: Owner,
  builds: readonly Item<BuildRecord>[],
): Promise<void> {
  const kept = new Set(await core.staging.listNames(outputsOf(owner)));
  const missing = builds.flatMap(({ data, expiresAt = 0 }, at) => {
    if (!hasLog(data) || kept.has(data.id)) return [];
    const isOld = builds.length - at > SURELY_THERE;
    return isOld || isWhole(core, expiresAt - LIMITS.historyMs) ? [{ build: data, isOld }] : [];
  });
  for (const { build, isOld } of missing.slice(0, AT_ONCE)) {
    await outputOf(core, owner, build, isOld).catch((error: unknown) => {
      core.log.warn({ err: error }, "a build's output is kept later");
    });
  }
  for (const { data } of builds) kept.delete(data.id);
  for (const id of kept) await core.staging.deletePrefix(`${outputsOf(owner)}${id}`);
}

/** Is a log that is said to be whole really so? */
function isWhole({ now }: Pick<Core, "now">, endedAt = now()): boolean {
  const age = now() - endedAt;
  return age < LATE_MS || age > SETTLED_MS;
}

export function errorObject(text: string): object {
  return { error: text, errorDetail: { message: text } };
}

function hasLog({ end }: BuildRecord): boolean {
  return end?.state === "SUCCESS" || (end?.state === "FAILED" && end.output === "log");
}

function objectsOf({ end }: BuildRecord, log: BuildOutput): object[] {
  if (end?.state !== "FAILED") return log.objects();
  const message = end.message ?? end.error;
  // the engine's last words are told as an error, and stand in the log as lines too
  log.dropEnd(message);
  return [...log.objects(), errorObject(message)];
}

async function readKept({ staging }: Core, key: string): Promise<object[] | undefined> {
  try {
    return (await json((await staging.get(key)).body)) as object[];
  } catch (error) {
    if (error instanceof PerigeeError && error.code === "FILE_NOT_FOUND") return undefined;
    throw error;
  }
}
