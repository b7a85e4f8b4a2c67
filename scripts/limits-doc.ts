import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GiB, KiB, LIMITS, MiB } from "#protocol/limits.ts";

export const OPERATIONS_DOC = join(import.meta.dirname, "../docs/operations.md");
const BEGIN = "<!-- bounds: generated from protocol/limits.ts by `npm run docs`; do not edit -->";
const END = "<!-- end of bounds -->";

/** What each bound is about, and what happens at it. */
const MEANING: Record<keyof typeof LIMITS, string> = {
  environments: "environments of one edge, over all users; over it PUT is refused",
  runners: "runners of one edge, idle and used; pools stay smaller then (`runners.max`, at most this)",
  runnersOfUserPercent:
    "percent of them that one user may have beside others with environments (default of `runners.maxOfUser`): used ones stay",
  runnerReports: "runners in one message about pools",
  exposedPorts: "exposed ports of an environment",
  runnerPorts:
    "ports that the runners of an edge open together (default of `runners.ports`), three quarters of them those of one user; pools stay smaller then",
  runnerScratchBytes:
    "what one runner may write (default of `runners.scratchBytes`); over it the runner is ended",
  runnerPids: "processes and threads of one runner",
  runnerStarts: "runners of an edge that are being started at once",
  poolCompareMs: "how often an agent with pools compares them with its engine, and with the ground",
  runnerLeaveMs: "how long after its inactivity timeout the ground ends a runner by itself",
  runnersGoneListed: "runners that are gone in one answer of `GET /runners`: the newest",
  runnerEndsMs: "how long it is known why a runner ended",
  runnerOnDemandMs: "how long a call waits for a runner of a pool of size 0",
  uplinkBytes: "all files of one uplink; over it 400 `MAX_UPLINK_SIZE_EXCEEDED`",
  uplinkBodyBytes: "`Content-Length` of an uplink; over it the same, unread",
  uplinkFiles: "files of one uplink; over it 400 `TOO_MANY_FILES`",
  uplinkPlanBytes: "the JSON body of `POST /uplinks`; over it 413 `BODY_TOO_LARGE`",
  deltaPieces:
    "pieces that a file is put together from when its delta is uplinked; over it 400 `DELTA_INVALID`",
  deltaManifestBytes: "the manifest of a delta; over it 400 `DELTA_INVALID`",
  partsOver: "bytes of an uplink over which the command sends it in parts, where the ground says no other",
  partBytes: "part of an upload in parts, unless the client names another size",
  partBytesLeast: "least part size that a client may name; a file's last part may be smaller",
  partBytesMost: "largest part size that a client may name",
  partUrls: "parts in one answer of `/uplinks`",
  partUrlMs: "how long the URL of a part is good",
  transferChunks:
    "parts of an object that the agent sends, where each is an object of its own; larger parts then",
  chunkBytesLeast: "smallest part in which an agent sends an object over a slow link",
  chunkBytesMost: "largest part that an agent may ask for",
  transferMs: "how long the agent may go on with an object that it has begun to send",
  bodyBytes: "a body without files; over it 413 `BODY_TOO_LARGE`",
  fieldBytes: "a field of an uplink's form; over it 400, as with all bounds of fields",
  formFields: "fields of an uplink's form",
  partHeaderBytes: "headers of one part of a form; over it 400",
  partHeaders: "number of those headers; over it 400",
  pathBytes: "a path in a volume",
  pathNameBytes: "one name in such a path",
  boundaryBytes: "the boundary of a multipart body; over it 400",
  jsonDepth: "levels of nested JSON in a body; over it 400",
  literalDepth: "levels of nested Python literals in a field; over it 400",
  ownImageName: "characters of the name of a user's own image; over it 400",
  wordBytes: "a field that is a number, a time or a word, such as `max_duration` and `node`",
  podPorts: "entries of a run's `ports`",
  instancePorts: "ports of an image of UniK's API; a compile or pull of one with more is 422",
  podEnvs: "entries of a run's `envs`",
  podWords: "words of a run's `command`, and entries of its `args`",
  podMounts: "volumes, or parts of them, that a run mounts",
  volumeBytes: "what a volume may be limited to",
  startBytes: "a run's `command`, `args` and `envs` together",
  inlineResultBytes:
    "a listing kept in the ledger; a larger one goes to staging, as does any result that takes twice as much as JSON",
  inputBytes: "a command's parameters as the ledger keeps them; over it 413 `BODY_TOO_LARGE`",
  inventoryBytes:
    "what the ground keeps of a user's images and volumes on an edge, as JSON; longer lists are cut, and say so",
  reportBytes: "an agent's report of how a command ended; over it the command fails with `INTERNAL_ERROR`",
  agentCommands:
    "commands that one agent has at the same time, over all lanes; the others stay in the ground's queues",
  progressCommands: "commands in one message of an agent about how far they are",
  queuePerEdge: "commands queued for one edge; over it 429 `QUEUE_FULL`",
  queuePerUser: "commands of one user queued for one edge; over it 429 `QUEUE_FULL`",
  lanes: "lanes of a ground, one or more for each dialect",
  claimBytes: "commands that an agent gets by one claim; what is over it comes with the next",
  openPerUser:
    "requests of one user open at once, waiting and streaming ones too; over it 429 `TOO_MANY_REQUESTS`",
  logLineBytes:
    "one line of a pod's log, however the engine cut it; of a longer one the beginning and ` … (line cut)`",
  logBytes: "log kept of one run; the oldest part goes first",
  logEndBytes:
    "of the log of a command, such as a build, that is over `logBytes`: what is kept of its end, besides its beginning",
  logRows: "rows of a log in one answer",
  logTailLines: "lines of a failed build's or load's log in the answer",
  logTailLineBytes: "one of those lines",
  listEntries: "entries of one listing; it says when it stopped there",
  liveListMs: "a listing inside a running pod; it ends there, without a word",
  liveOpenMs: "how long the opening of a file in a running pod may take",
  liveStartMs: "how long the start of a program in a running pod may take",
  liveSpareControlMs: "how long a helper of the next program stays in a running pod after a session there",
  listingEntries:
    "files and directories of one downlink of a directory that the edge notes; of more, all is sent the next time",
  listingBytes: "the note of one downlink of a directory; over it, all is sent the next time",
  listings: "noted downlinks of a volume; the oldest goes",
  listingsBytes: "what the edge has noted of one user's downlinks; the oldest goes",
  listingMs: "how long the edge knows what a downlink of a directory has brought",
  listDepth: "directories within directories in one listing; it says when it stopped there",
  measuredDepth: "levels of directories that are measured; a deeper volume counts as over any quota",
  jobResultBytes: "files that a job leaves in its outbox, and their zip; over it the job is `ResultTooLarge`",
  logRefusedMs:
    "how long the log of a run that has ended is asked for while the engine answers each time with an error; then the log ends with `… the last log lines were dropped`, and the run's end is told",
  jobRoomMs:
    "how long a job that has ended waits for room on the edge's disk for its zip; then it is `ResultTooLarge`",
  zipEntries: "entries of a directory that is read as a zip; over it 400 `INVALID_PATH`",
  dockerfileBytes: "a Dockerfile; over it, as over all bounds of Dockerfiles, 400 `BUILD_FAILED`",
  dockerfileLineBytes: "one line of a Dockerfile, as it stands there",
  dockerfileInstructions: "instructions of a Dockerfile",
  dockerfileStages: "stages of a Dockerfile",
  dockerfileVariables: "environment variables of one stage, its base's included",
  dockerfileWord: "characters of one word of a Dockerfile, variables expanded",
  dockerfileExpanded: "characters of all words of a Dockerfile, variables expanded",
  ignoreFileBytes: "a `.dockerignore`; over it 400 `BUILD_FAILED`",
  ignoreFileSteps: "steps of matching a context against its `.dockerignore`; over it 400 `BUILD_FAILED`",
  archiveEntries: "entries of an archive that is loaded; over it 400 `IMAGE_LOAD_FAILED`",
  unpackEntries: "entries of an archive of sources that is compiled, or of the first data of a volume",
  imageLayers: "layers of an image that is loaded; over it the same",
  imageIndexDepth: "indexes within indexes in an OCI image layout; over it the same",
  imageIndexManifests: "manifests in one of those indexes; over it the same",
  imageConfigBytes:
    "the config of an image that is loaded, and each other description in its archive; over it 400 `IMAGE_LOAD_FAILED`",
  imageConfigEntries: "variables, labels, arguments or triggers in a loaded image's config; over it the same",
  imagePorts: "ports that a loaded image exposes; over it the same",
  imageVolumes: "volumes that an image declares, built or loaded; over it 400",
  layerTrailingBytes: "what follows the end of a layer's tar; over it 400 `IMAGE_LOAD_FAILED`",
  contextNotes:
    "paths of a build's context that its log names as left out or sent with another mode; the others are counted",
  historyMs: "how long an ended command is kept",
  idempotencyMs: "how long an `Idempotency-Key` is remembered",
  downlinkMs: "how long downlinked content that nobody fetched stays in staging",
  heartbeatMs: "time between two heartbeats of an agent",
  contactMs: "without a heartbeat for so long contact is lost: 503 `EM_UNREACHABLE`",
  windows: "planned contact windows of one edge; those that are over do not count",
  windowAheadMs: "how far ahead a planned window may start, and how long it may be",
  windowStation: "characters of a ground station's name",
  windowBps: "bit/s that a planned window may promise each way",
  withdrawMs: "a waiting command that the edge has not taken by then is withdrawn: 503",
  abandonedMs: "a waiting command whose waiter died expires after this",
  priorityStepMs: "waiting that each step of a command's priority counts as",
  expiresMs: "how far ahead `Perigee-Expires` may be",
  stagingMs: "an upload that never completed is removed after this",
  partsIdleMs: "an upload in parts is removed when no URLs were asked for in this time",
  partsMs: "an upload in parts is removed after this, however busy",
  recentAccountMs:
    "in the cloud, a removed user, an old password, a revoked edge or agent's token ends within this",
  quotaBytes: "one user's bytes over volumes, images and staging, unless set; over it 507 `QUOTA_EXCEEDED`",
  freeFloorBytes: "bytes of disk that staging and volumes leave free; at it 507 `STORAGE_FULL`",
  freeFloorEntries:
    "files and directories that the volumes' file system must still have room for: below, pods that write are stopped",
};

/** docs/operations.md with its table of bounds as protocol/limits.ts has them. */
export function withBounds(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined)
    throw new Error("docs/operations.md has lost its marks of the bounds");
  const rows = Object.entries(MEANING).map(
    ([name, meaning]) =>
      `| \`${name}\` | ${format(name, LIMITS[name as keyof typeof LIMITS])} | ${meaning} |`,
  );
  const table = ["| bound | value | what |", "| --- | --- | --- |", ...rows].join("\n");
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}

/** Bounds in bytes that are not called so. */
const BYTES = ["partBytesLeast", "partBytesMost", "partsOver"];

function format(name: string, value: number): string {
  if (name.endsWith("Bytes") || BYTES.includes(name))
    return inUnits(
      value,
      [
        [GiB, "GiB"],
        [MiB, "MiB"],
        [KiB, "KiB"],
      ],
      "B",
    );
  if (name.endsWith("Ms"))
    return inUnits(
      value,
      [
        [86_400_000, "d"],
        [3_600_000, "h"],
        [60_000, "min"],
        [1000, "s"],
      ],
      "ms",
    );
  return value.toLocaleString("en");
}

/** In the largest unit that makes it a whole number. */
function inUnits(value: number, units: [number, string][], smallest: string): string {
  const [size, unit] = units.find(([size]) => value % size === 0) ?? [1, smallest];
  return `${(value / size).toLocaleString("en")} ${unit}`;
}

if (import.meta.main) {
  const page = readFileSync(OPERATIONS_DOC, "utf8");
  if (process.argv.includes("--write")) writeFileSync(OPERATIONS_DOC, withBounds(page));
  else if (withBounds(page) !== page) {
    console.error("docs/operations.md is not what protocol/limits.ts says: npm run docs");
    process.exitCode = 1;
  }
}
