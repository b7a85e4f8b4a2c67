import { randomUUID } from "node:crypto";
import { failureOf, PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Reservation } from "../../dispatch/dispatch.ts";
import { json } from "../../http/json-answer.ts";
import { ulid } from "../../ledger/ulid.ts";
import type { Write } from "../../ports/ledger-store.ts";
import { optimistically } from "../../ports/optimistically.ts";
import { RepositoryFailed } from "../../ports/repository-fetcher.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import {
  attachedContext,
  type BuildContext,
  DOCKERFILE,
  NoDockerfile,
  repositoryContext,
} from "./build-context.ts";
import { BUILD_LANE, SPACE } from "./lanes.ts";
import { counterWrite, findObject, idOf, MOST, readCounter } from "./objects.ts";
import { tidyBuildsBeside } from "./old-builds.ts";
import { ownBases } from "./own-bases.ts";
import { type Owner, ownerOf } from "./owner.ts";
import { type Attachment, atMost, type Given, readParameters, required } from "./parameters.ts";
import { type BuildRecord, keys, type OfCommand } from "./records.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { type Replay, replayOf } from "./replay.ts";
import { storedText } from "./stored-text.ts";

const NAME = 128;

/** POST /image: a build, which makes an image when it succeeds. */
export async function postImage(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  return startBuild(c, core, owner, undefined);
}

/** PUT /image/<id>: a build, which replaces the image's content when it succeeds. */
export async function putImage(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const image = await findObject(core.records, owner.uid, "image", idOf(c.req.param("image")));
  if (!image) throw refusal(TEXTS.imageToUpdate);
  return startBuild(c, core, owner, image.data.id);
}

async function startBuild(
  c: DialectContext,
  core: DialectCore,
  owner: Owner,
  replaces: number | undefined,
): Promise<Response> {
  const order = await core.orderOf(c, owner.user);
  const edge = await core.resolveEdge(owner.user, c.req.header("perigee-edge"));
  const reservation = await core.dispatch.reserve({
    user: owner.user,
    edge,
    lane: BUILD_LANE,
    operation: "image.build",
    admission: "queue",
    wait: { kind: "none" },
    ...order,
  });
  try {
    const prefix = reservation.prefix("_");
    const { given, attachments } = await readParameters(c, {
      allowance: reservation.allowance,
      store: (n, body, signal) =>
        core.staging.put(`${prefix}${n}`, body, { maxBytes: LIMITS.uplinkBytes, signal }),
    });
    const { name } = required(given, ["name"]);
    atMost("name", name, NAME);
    const { command } = reservation;
    const replay = replayOf(c, core, owner.uid, { given, attachments });
    const giveBack = (reason: string) => abandon(core, reservation, new PerigeeError("CANCELLED", reason));
    const askedBefore = async (earlier: object) => {
      await giveBack("It was asked for before");
      return json(earlier);
    };
    const earlier = await replay.find();
    if (earlier) return askedBefore(earlier);
    const base = { name, createdAt: core.now(), edge, ...(replaces !== undefined && { replaces }) };
    const made =
      refusedBuild(given, attachments) ?? (await contextOf(c, core, reservation, given, attachments));
    if ("state" in made) {
      const id = ulid(core.now());
      const build: BuildRecord = { ...base, id, end: made };
      const meanwhile = await record(core, replay, id, async () => [buildWrite(owner, core, build)]);
      if (meanwhile) return askedBefore(meanwhile);
      await giveBack("There is nothing to build");
      await tidyBuildsBeside(core, owner, id);
      return json(answerOf(id));
    }
    const { files, dockerfile } = made;
    const ref = `b${randomUUID().replaceAll("-", "")}`;
    const build: BuildRecord = { ...base, id: command.id, ref };
    const meanwhile = await record(core, replay, build.id, () => newBuild(core, owner, build, dockerfile));
    if (meanwhile) return askedBefore(meanwhile);
    await tidyBuildsBeside(core, owner, build.id);
    const input = {
      space: SPACE,
      source: { staged: true },
      dockerfile: DOCKERFILE,
      context: "",
      image: ref,
      bases: await ownBases(core.records, owner.uid, edge),
      ...(given.get("nocache")?.toLowerCase() === "true" && { noCache: true }),
    };
    await reservation.complete({ volume: "_", prefix, files, input });
    return json(answerOf(command.id));
  } catch (error) {
    await abandon(core, reservation, error);
    throw error;
  }
}

function answerOf(id: string): object {
  return { status: "Your image is being built", build_id: id };
}

async function abandon(core: DialectCore, reservation: Reservation<"image.build">, error: unknown) {
  await reservation.abandon(failureOf(error)).catch((failure: unknown) => {
    core.log.error({ err: failure, command: reservation.command.id }, "a build could not be abandoned");
  });
}

type BuildEnd = NonNullable<BuildRecord["end"]>;

function failed(error: string, output: string | null = null): BuildEnd {
  return { state: "FAILED", error, output: { text: output } };
}

/** What is built, from a repository or from what came with the request; or how the build ends without one. */
async function contextOf(
  c: DialectContext,
  core: DialectCore,
  { command, prefix, allowance }: Reservation<"image.build">,
  given: Given,
  attachments: readonly Attachment[],
): Promise<BuildContext | BuildEnd> {
  const url = given.get("repo_url");
  if (url === undefined) return attachedContext(core, prefix("_"), given, attachments);
  const firstNumber = Math.max(-1, ...attachments.map(({ n }) => n)) + 1;
  try {
    const of = { user: command.user, prefix: prefix("_"), allowance, firstNumber };
    return await repositoryContext(core, url, of, c.req.raw.signal);
  } catch (error) {
    if (error instanceof NoDockerfile) return failed("Repository has no file named 'Dockerfile'");
    if (error instanceof RepositoryFailed) return failed(`Could not clone repository: ${error.message}`);
    throw error;
  }
}

/** How a build ends that never reaches an edge. */
function refusedBuild(given: Given, attachments: readonly Attachment[]): BuildEnd | undefined {
  if (given.has("repo_url")) return undefined;
  const dockerfile = given.get("dockerfile");
  if (dockerfile === undefined) {
    if (attachments.some(({ path }) => path === DOCKERFILE)) return undefined;
    return failed("Must provide a dockerfile or a repository");
  }
  if (!/^@[/.]/.test(dockerfile)) return undefined;
  // told back, so not without a bound
  const path = dockerfile.slice(1, 300).trim();
  return failed(
    "Build failed",
    `The dockerfile is the path of a file, not its content. Send the content, for example with curl: --data-urlencode dockerfile@${path}, or -F 'dockerfile=<${path}'\n`,
  );
}

/** Writes a build with its answer, once for its key. @returns the answer that another request wrote under it before */
function record(
  core: DialectCore,
  replay: Replay,
  id: string,
  writes: () => Promise<Write[]>,
): Promise<object | undefined> {
  return optimistically(async () => {
    const earlier = await replay.find();
    if (earlier) return earlier;
    await core.records.transact([...(await writes()), ...replay.write(answerOf(id))]);
    return undefined;
  });
}

/** A build of a new image counts as one until it has failed. @throws a refusal when there are too many */
async function newBuild(
  core: DialectCore,
  owner: Owner,
  build: BuildRecord,
  dockerfile: string,
): Promise<Write[]> {
  const of: OfCommand = { uid: owner.uid, build: build.id };
  const counter = await readCounter(core.records, owner.uid, "image");
  const isNew = build.replaces === undefined;
  if (isNew && counter.used >= MOST.image) throw refusal(TEXTS.tooManyImages);
  return [
    buildWrite(owner, core, build),
    dockerfileWrite(owner, core, build, dockerfile),
    { put: { ...keys.ofCommand(build.id), data: of } },
    ...(isNew ? [counterWrite(owner.uid, "image", counter, { used: counter.used + 1 })] : []),
  ];
}

function buildWrite({ uid }: Owner, { now }: DialectCore, build: BuildRecord) {
  return { put: { ...keys.build(uid, build.id), expiresAt: now() + LIMITS.historyMs, data: build }, if: 0 };
}

/** Beside the build, so that the record of its end is small whatever was built. */
function dockerfileWrite({ uid }: Owner, { now }: DialectCore, { id }: BuildRecord, dockerfile: string) {
  const data = { text: storedText(dockerfile) };
  return { put: { ...keys.dockerfile(uid, id), expiresAt: now() + LIMITS.historyMs, data } };
}
