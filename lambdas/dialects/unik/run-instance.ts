import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { InputOf } from "#protocol/operations.ts";
import { collectBody } from "../../http/read-body.ts";
import { ulid } from "../../ledger/ulid.ts";
import { jsonAnswer } from "./answers.ts";
import type { Asked, Handle } from "./asked.ts";
import { requireRoom } from "./bounds.ts";
import { change, type Plan, type Seen, Undone } from "./change.ts";
import { bareMount } from "./gone-volume.ts";
import { attachedTo, type Image, readHoldings, whole } from "./holdings.ts";
import { openOnes } from "./instance-changes.ts";
import { instanceView } from "./instance-view.ts";
import { lookup, notFound } from "./lookup.ts";
import { missingMount } from "./mount-points.ts";
import { checkName, nameFor } from "./names.ts";
import { podNameOf, runOf } from "./pod-of.ts";
import { type InstanceRecord, keys } from "./records.ts";
import { checkEnv, memoryOf, type RunBody, readRunBody } from "./run-body.ts";
import { whenStarted, whyNotStarted } from "./started.ts";
import { withoutFailed } from "./without-failed.ts";

/** `POST /instances/run` */
export const runInstance: Handle = async (asked) => {
  const { c, core, owner } = asked;
  const body = readRunBody(await collectBody(c, LIMITS.bodyBytes));
  const id = ulid(core.now());
  return change<"pod.run">(
    asked,
    (seen) => planRun(asked, body, id, seen),
    async (_result, command) => {
      const { pod } = command.input as InputOf<"pod.run">;
      const { instances } = await readHoldings(core.records, owner);
      const instance = instances.find((one) => one.pod === pod);
      const run = await (instance
        ? whenStarted(core, { ...owner, pod, run: command.id })
        : runBy(asked, pod, command.id));
      const why = whyNotStarted(run);
      if (why === undefined) {
        if (!instance) throw new Undone(notFound("instance", body.name || pod));
        return jsonAnswer(instanceView(instance, new Map(run && [[run.run, run]])), 201);
      }
      if (instance && !body.keepsFailed) await withoutFailed(asked, instance);
      throw new PerigeeError("START_FAILED", `instance could not be started: ${why}`);
    },
    (failure) => {
      const volume = new Map(body.mounts).get(bareMount(failure) ?? "");
      return volume === undefined ? failure : { ...failure, message: `volume ${volume} not found` };
    },
  );
};

/** The run of an instance that is gone: it may have failed to start, and been removed for that. */
async function runBy({ core, owner: { user, edge } }: Asked, pod: string, command: string) {
  return (await core.runs.find({ edge, user, pod })).find(({ run }) => run === command);
}

/** What a body asks for, checked in the order of the contract. */
async function planRun(
  { core, owner }: Asked,
  body: RunBody,
  id: string,
  seen: Seen,
): Promise<Plan<"pod.run">> {
  const { holdings, offer, volumes } = seen;
  const { user, edge } = owner;
  if (body.image === "") throw invalid("image must be named");
  const images = whole(holdings.images).map((image) => ({ ...image, id: image.name }));
  const image = lookup("image", images, body.image, true);
  if (body.name !== "") checkName("instance", body.name);
  const name = body.name || nameFor(image.name, id);
  const isTaken =
    holdings.instances.some((one) => one.name === name) ||
    // others reach it by its name, as they reach a pod of that name
    (await core.runs.find({ edge, user, pod: name })).some(({ terminated }) => !terminated);
  if (isTaken) throw new PerigeeError("ALREADY_EXISTS", `instance with name '${name}' already exists`);
  const given = new Map(body.mounts);
  const { mountPoints } = image.content;
  for (const at of mountPoints) if (!given.has(at)) throw invalid(missingMount(at));
  for (const at of given.keys()) {
    if (!mountPoints.includes(at)) throw invalid(`mount point ${at} does not exist for image ${image.name}`);
  }
  const mounts = mountPoints.map((at) => ({ at, volume: given.get(at)! }));
  requireMountable(mounts, image, seen);
  const memoryMb = memoryOf(body.memoryMb, image, offer.mostMemoryMb);
  checkEnv(body.env);
  if (body.debug) {
    throw new PerigeeError(
      "NOT_SUPPORTED",
      "debug mode is not offered: nothing on the edge listens for a debugger",
    );
  }
  requireRoom("instances", holdings.instances.length);
  requireRoom("running", openOnes(seen).length);
  const { version, provider } = image.content;
  const instance: InstanceRecord = {
    id,
    name,
    image: image.name,
    version,
    provider,
    createdAt: core.now(),
    pod: podNameOf(id),
    run: "",
    mounts,
    memoryMb,
    env: body.env,
  };
  return {
    operation: "pod.run",
    input: runOf(instance, image.content, volumes),
    of: { ...owner, does: "run", instance: id },
    writes: (command) => [
      { put: { ...keys.instance(owner, id), data: { ...instance, run: command.id } }, if: 0 },
    ],
  };
}

/** Each check of all volumes before the next. @throws VOLUME_NOT_FOUND, INVALID_PARAMETERS, VOLUME_IN_USE */
function requireMountable(
  mounts: readonly { volume: string }[],
  { name, content: { provider } }: Image,
  { holdings, volumes }: Seen,
): void {
  const found = mounts.map(({ volume }) => {
    const one = volumes.find((known) => known.name === volume);
    if (!one) throw notFound("volume", volume);
    return one;
  });
  const other = found.find((one) => one.provider !== provider);
  if (other)
    throw invalid(`volume ${other.name} is for ${other.provider}, and image ${name} for ${provider}`);
  for (const one of found) {
    const user = attachedTo(holdings, one.name);
    if (user)
      throw new PerigeeError("VOLUME_IN_USE", `volume ${one.name} is attached to instance ${user.name}`);
  }
  const twice = found.find((one, n) => found.indexOf(one) !== n);
  if (twice) throw new PerigeeError("VOLUME_IN_USE", `volume ${twice.name} is given for two mount points`);
}

const invalid = (message: string) => new PerigeeError("INVALID_PARAMETERS", message);
