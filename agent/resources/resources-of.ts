import { type ImageName, nameAndTag, parseOwnImage } from "#protocol/image-reference.ts";
import { EARLIER_JOBS } from "#protocol/job-run.ts";
import { inSpace } from "#protocol/names.ts";
import type { InputOf, OperationName } from "#protocol/operations.ts";
import type { ResourceUse } from "./resource.ts";

/** Every command reads it; one that is to run alone writes it. */
export const EDGE_KEY = "edge";
/** Names of public images: what makes images of users' own must not meet a name that becomes public. */
const PUBLIC_IMAGES = "public images";

/** Key of a volume, by its name with its space. */
export const volumeKey = (user: string, volume: string) => `volume ${user}/${volume}`;
const podKey = (user: string, pod: string) => `pod ${user}/${pod}`;

type Mode = "read" | "write";
type Spaced = { space?: string | undefined };
const volume = (user: string, of: Spaced & { volume: string }, mode: Mode): ResourceUse => ({
  key: volumeKey(user, inSpace(of.volume, of.space)),
  name: `volume ${of.volume}`,
  mode,
});
const pod = (user: string, name: string, mode: Mode): ResourceUse => ({
  key: podKey(user, name),
  name: `pod ${name}`,
  mode,
});
const imageUse = (owner: string, { name, tag }: ImageName, mode: Mode): ResourceUse => ({
  key: `image ${owner}/${name}:${tag}`,
  name: `image ${name}:${tag}`,
  mode,
});
const fpgaImage = (user: string, image: string): ResourceUse => ({
  key: `fpga ${user}/${image}`,
  name: `FPGA image ${image}`,
  mode: "write",
});
/** all images of the user together: who builds may build on any of them */
const images = (user: string, mode: Mode): ResourceUse => ({ key: `images ${user}`, name: "images", mode });
const publicNames = (mode: Mode): ResourceUse => ({ key: PUBLIC_IMAGES, name: "the public images", mode });

/** The name that a build, a load or a delete of an image changes. One that is no name fails by itself. */
function ownImage(
  user: string,
  { image: text, space }: Spaced & { image: string },
  mode: Mode = "write",
): ResourceUse[] {
  const image = parseOwnImage(text, space);
  return image ? [imageUse(inSpace(user, space), image, mode)] : [];
}

/** What an image takes the place of, when it is there. */
function replaced(user: string, { replaces, space }: Pick<InputOf<"image.import">, "replaces" | "space">) {
  const old = replaces?.image === undefined ? [] : ownImage(user, { space, image: replaces.image });
  return [...old, ...(replaces?.pods ?? []).map((name) => pod(user, name, "write"))];
}

/** Every own image that `text` may mean, whatever registry it names. Public ones do not change under a run. */
function meantImages(user: string, { image: text, space }: Spaced & { image: string }): ResourceUse[] {
  const { name, tag } = nameAndTag(text);
  const names = name.startsWith(`${user}-`) ? [name, name.slice(user.length + 1)] : [name];
  return names.map((own) => imageUse(inSpace(user, space), { name: own, tag }, "read"));
}

/**
 * The engine builds one image at a time: what is cleaned away after a build is known by what all builds have in common.
 */
const buildPlace: ResourceUse = { key: "builds", name: "a place to build", mode: "place", places: 1 };

const building = (input: Spaced & { image: string }, user: string): ResourceUse[] => [
  ...ownImage(user, input),
  images(user, "read"),
  publicNames("read"),
  buildPlace,
];

/** Counted resources of the edge for jobs. */
export type JobPlaces = {
  /** containers of jobs that run at the same time */
  atOnce: number;
  /** further jobs whose files are fetched beforehand */
  ahead: number;
};
export const JOB_PLACES: JobPlaces = { atOnce: 4, ahead: 16 };

/** Where a command belongs, and what the edge has for it. */
export type ResourceScope = { lane: string; group?: string | undefined; jobs: JobPlaces };

type Declare<O extends OperationName> = (
  input: InputOf<O>,
  user: string,
  scope: ResourceScope,
) => readonly ResourceUse[];
type Declared = { [O in OperationName]: Declare<O> };

/**
 * What each operation reads and writes. A run's pod goes on when its command has ended, so files are read and written
 * beneath it as ever; what may not happen to its volume and its image while it lives is in the pod manager's own
 * records. Lists are pictures of a moment and wait for nothing.
 */
const DECLARED: Declared = {
  "volume.uplink": (input, user) => [volume(user, input, "write")],
  "volume.patch": (input, user) => [volume(user, input, "write")],
  "volume.chunks": (input, user) => [volume(user, input, "read")],
  "volume.list": (input, user) => [volume(user, input, "read")],
  "volume.read": (input, user) => [volume(user, input, "read")],
  "file.delete": (input, user) => [volume(user, input, "write")],
  "volume.delete": (input, user) => [volume(user, input, "write")],
  "volumes.list": () => [],
  "volume.remove": (input, user) => [volume(user, input, "write")],
  "volumes.delete": (input, user) => [volume(user, input, "write")],
  "volume.create": (input, user) => [volume(user, input, "write")],
  // all of it is for the second step: others build while its sources are fetched
  "image.compile": () => [],
  "image.export": (input, user) => ownImage(user, input, "read"),
  // as a compile: others work on images while its archive is fetched
  "image.import": () => [],
  // with staged files all of it is for the second step: others build while these are fetched
  "image.build": (input, user) =>
    "volume" in input.source
      ? [volume(user, { volume: input.source.volume, space: input.space }, "read"), ...building(input, user)]
      : [],
  "image.load": (input, user) => [volume(user, input, "read"), ...ownImage(user, input), publicNames("read")],
  "image.list": () => [],
  // a build may stand on it between two steps, when the engine would let it go
  "image.delete": (input, user) => [
    ...ownImage(user, input),
    images(user, "write"),
    ...(input.pods ?? []).map((name) => pod(user, name, "write")),
  ],
  "pod.run": ({ space, imageSpace, mounts, image, pod: name }, user) => [
    pod(user, name, "write"),
    ...mounts.map((mount) => volume(user, { volume: mount.volume, space }, "read")),
    ...meantImages(user, { image, space: imageSpace ?? space }),
  ],
  // its image, and its volumes unless others are named, are those of the run before it, which only the pod manager knows
  "pod.start": (input, user) => [
    pod(user, input.pod, "write"),
    ...(input.mounts ?? []).map((mount) => volume(user, { volume: mount.volume }, "read")),
  ],
  "pod.remove": (input, user) => [pod(user, input.pod, "write")],
  "pod.status": (input, user) => [pod(user, input.pod, "read")],
  "pod.stop": (input, user) => [pod(user, input.pod, "write")],
  "job.run": (_input, user, { lane, group, jobs: { atOnce, ahead } }) => {
    const places = atOnce + ahead;
    const one = { key: "jobs", name: "a place for a job", mode: "place", places, leavesLast: true } as const;
    if (group === undefined) return [one];
    // One group alone leaves places to others, or they could not begin though there is a place to run.
    const own = `jobs ${lane}/${user}/${group}`;
    return [one, { key: own, name: EARLIER_JOBS, mode: "place", places: ahead + 1 }];
  },
  "fpga.store": ({ image }, user) => [fpgaImage(user, image)],
  "fpga.delete": ({ image }, user) => [fpgaImage(user, image)],
  "nodes.status": () => [],
  "edge.publish": () => [publicNames("write")],
};

/**
 * What a command reads and writes on the edge.
 *
 * @example
 * resourcesOf("volume.uplink", { volume: "data", count: 1, bytes: 2 }, "ann");
 * // → [{ key: "volume ann/data", name: "volume data", mode: "write" }]
 */
export function resourcesOf<O extends OperationName>(
  operation: O,
  input: InputOf<O>,
  user: string,
  scope: ResourceScope = { lane: "", jobs: JOB_PLACES },
): readonly ResourceUse[] {
  return (DECLARED[operation] as Declare<O>)(input, user, scope);
}

/** Counted resource: places for containers of jobs. */
export const RUNNING_JOBS = "running jobs";
const groupKey = (lane: string, user: string, group: string) => `group ${lane}/${user}/${group}`;

/**
 * What an operation in two steps needs for the second one (OperationContext.acquire): a job runs after the earlier ones
 * of its group, in one of the places that there are; a build from staged files builds once they are there.
 */
export function laterResourcesOf<O extends OperationName>(
  operation: O,
  input: InputOf<O>,
  user: string,
  { lane, group, jobs }: ResourceScope,
): readonly ResourceUse[] {
  if (operation === "image.build") {
    const build = input as InputOf<"image.build">;
    return "volume" in build.source ? [] : building(build, user);
  }
  if (operation === "image.compile") {
    const compile = input as InputOf<"image.compile">;
    return [...building(compile, user), ...replaced(user, compile)];
  }
  if (operation === "image.import") {
    const made = input as InputOf<"image.import">;
    return [...ownImage(user, made), publicNames("read"), ...replaced(user, made)];
  }
  if (operation !== "job.run") return [];
  const job = input as InputOf<"job.run">;
  const earlier = { name: EARLIER_JOBS, mode: "write" } as const;
  return [
    ...(group === undefined ? [] : [{ ...earlier, key: groupKey(lane, user, group) }]),
    { key: RUNNING_JOBS, name: "a place to run", mode: "place", places: jobs.atOnce },
    ...meantImages(user, job),
  ];
}

/** Does the second step of an operation keep its place in the order while it is not ready? Else others go before it. */
export function keepsPlace(operation: string): boolean {
  return operation === "job.run";
}

/** What every command holds of the edge itself. @param alone nothing else may run beside it */
export function edgeUse(alone: boolean): ResourceUse {
  return { key: EDGE_KEY, name: alone ? "the edge to itself" : "the edge", mode: alone ? "write" : "read" };
}
