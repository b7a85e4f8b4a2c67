import * as z from "zod";
import { edgeOffer } from "./edge-offer.ts";
import { ERRORS, type ErrorCode } from "./errors.ts";
import { fpgaDeviceReport, fpgaLoad } from "./fpga-device.ts";
import { fpgaImageId } from "./fpga-image.ts";
import { LIMITS } from "./limits.ts";
import { liveWish } from "./live.ts";
import { containerState, stagedContent, transferName } from "./operations.ts";

/**
 * What agent and ground say to each other, over HTTP under `/agent/`, always with the agent's bearer token.
 * The agent speaks first: nothing on the edge listens.
 */

const epoch = z.number().int().positive();
const commandId = z.string().length(26);

const failure = z.object({
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
  message: z.string(),
  data: z.record(z.string(), z.unknown()).optional(),
});

export const progress = z.object({
  /** what is being done, for people: "receiving", "hashing", "building" */
  phase: z.string().max(80),
  /** of `unit`; absent while unknown */
  done: z.number().optional(),
  total: z.number().optional(),
  unit: z.enum(["bytes", "files", "steps"]).optional(),
  /** when the container of a job started, ms since 1970; told once it has */
  startedAt: z.number().optional(),
});
export type Progress = z.infer<typeof progress>;

/**
 * POST /agent/start: the ledger issues a new epoch and remembers the journal and what the agent can do.
 * Agents of version 0.1 send neither `operations` nor `features`.
 */
export const startRequest = z.object({
  journal: z.string().min(1).max(64),
  version: z.string().max(64),
  /** names of the operations that the agent knows */
  operations: z.array(z.string().min(1).max(64)).max(200).optional(),
  /** what else its version can do, beyond carrying out operations */
  features: z.array(z.string().min(1).max(64)).max(100).optional(),
});
/** A lane's name: a queue of an edge with a width of its own. A dialect has one at least. */
export const laneName = z.string().regex(/^[a-z][a-z0-9-]{0,15}$/);

/** How many commands of each lane may run at the same time on the edge, by lane. */
const laneWidths = z.record(laneName, z.number().int().min(1).max(1000));

/**
 * A ground of version 0.2 or older names no lanes: it gives one command at a time (claimRequest without `room`). `at` is
 * the ground's clock (ms since 1970), of which grounds of version 0.3 and older say nothing.
 */
export const startResponse = z.object({
  edge: z.string(),
  epoch,
  lanes: laneWidths.optional(),
  at: z.number().optional(),
});

/**
 * POST /agent/claim. Without `room`: 200 with one command of the EM's lane, or 204 when there is nothing to do, as
 * agents of version 0.2 and older ask. With `room`: 200 with {@link claimResponse}.
 */
export const claimRequest = z.object({
  epoch,
  /** how many new commands of each lane the agent takes now */
  room: z.record(laneName, z.number().int().min(0).max(1000)).optional(),
  /** counts the claims of this epoch from 1: commands of one claim are older than those of the next */
  turn: z.number().int().positive().optional(),
  /** ids of the running commands that the agent has: the others that run are handed out again */
  have: z.array(commandId).max(4000).optional(),
});
export const claimedCommand = z.object({
  id: commandId,
  user: z.string(),
  /** one of OPERATIONS, or of a newer ground's: an agent fails what it does not know, and goes on */
  operation: z.string().min(1).max(64),
  input: z.unknown(),
  /** how often the command was claimed, this claim included */
  attempts: z.number().int(),
  /** seconds the work may take */
  deadline: z.number(),
  cancelRequested: z.boolean(),
  /** it is to end at once, without the time that a cancel gives; only with `cancelRequested` */
  kill: z.boolean().optional(),
  /** this command has a staged manifest of files */
  hasFiles: z.boolean(),
  /** absent from a ground of version 0.2 or older */
  lane: laneName.optional(),
  /** one of the user's queues within the lane, as the dialect named it */
  group: z.string().max(200).optional(),
  /**
   * `[epoch, turn]` of the claim that handed it out first: the order in which commands get what they need on the
   * edge. Commands of one claim follow the order of the answer.
   */
  order: z.tuple([z.number().int(), z.number().int()]).optional(),
  /** its content goes to the ground in this order; absent from a ground of version 0.3 or older, and of the usual one */
  priority: z.number().int().optional(),
  /** signed URL of its manifest, which POST /agent/urls would answer; only with new commands */
  manifest: z.string().optional(),
});
export type ClaimedCommand = z.infer<typeof claimedCommand>;

/** The answer to a claim with `room`. */
export const claimResponse = z.object({
  /** commands that run already and that the agent does not have, in the order of their claims: they need no room */
  resumed: z.array(claimedCommand),
  /** `resumed` is complete: the ground has ended every other command that the agent's journal holds */
  complete: z.boolean(),
  /** new commands, in the order in which their lanes gave them places */
  commands: z.array(claimedCommand),
  /** another claim would bring more, if there is room */
  more: z.boolean(),
  lanes: laneWidths,
  /** live sockets that the ground wants; absent from one that has no live sessions for this edge */
  live: liveWish.optional(),
  /** counts changes of the edge's wanted pools: the agent asks for them when it differs; absent: there are none */
  pools: z.number().int().optional(),
});
export type ClaimResponse = z.infer<typeof claimResponse>;

/** What a command waits for on the edge: a resource in words, e.g. `volume data`. */
export const waitsFor = z.object({
  resource: z.string().max(300),
  /** the command that holds it or is before it, when it is of the same user */
  behind: commandId.optional(),
});
export type WaitsFor = z.infer<typeof waitsFor>;

/**
 * POST /agent/progress with `commands`, from agents that run many: what changed of each. The answer names those
 * that should stop.
 */
export const progressManyRequest = z.object({
  epoch,
  commands: z
    .array(
      z.object({
        user: z.string(),
        command: commandId,
        progress: progress.optional(),
        /** it has all its resources: its deadline runs, and who waits for it counts, from now on */
        granted: z.boolean().optional(),
        waitsFor: waitsFor.optional(),
      }),
    )
    .max(LIMITS.progressCommands),
});
export const progressManyResponse = z.object({
  cancel: z.array(commandId),
  /** those of `cancel` that are to end at once */
  kill: z.array(commandId).optional(),
});

/**
 * POST /agent/progress of one command, from agents of version 0.2 and older → `{cancel}`: also how the agent asks
 * whether it should stop.
 */
export const progressRequest = z.object({
  epoch,
  user: z.string(),
  command: commandId,
  progress: progress.optional(),
});
export const progressResponse = z.object({ cancel: z.boolean() });

export const outcome = z.discriminatedUnion("state", [
  z.object({ state: z.literal("succeeded"), result: z.unknown() }),
  z.object({ state: z.literal("failed"), failure }),
  z.object({ state: z.literal("cancelled") }),
]);
export type Outcome = z.infer<typeof outcome>;

/** POST /agent/report → 200 once the ledger holds it; a repeat of the same report is 200 too. */
export const reportRequest = z.object({
  epoch,
  user: z.string(),
  command: commandId,
  outcome,
  /** the lane of the command, as claimed: it saves the ground a read; agents of version 0.2 and older do not send it */
  lane: laneName.optional(),
});
/** `more`: another command waits, so that the agent need not ask when there is none. */
export const reportResponse = z.object({ acknowledged: z.literal(true), more: z.boolean() });

/** POST /agent/urls: signed URLs for numbered objects of the running command. At most 500 a call. */
export const urlsRequest = z.object({
  epoch,
  user: z.string(),
  command: commandId,
  /** uplinked objects to read; "manifest" is the JSON list of them */
  get: z
    .array(z.union([z.number().int().nonnegative(), z.literal("manifest")]))
    .max(500)
    .default([]),
  /** downlink objects to write, with the most bytes each may have, and how many it will have if that is known */
  put: z
    .array(
      z.object({
        n: z.number().int().nonnegative(),
        maxBytes: z.number().int(),
        size: z.number().int().nonnegative().optional(),
      }),
    )
    .max(10)
    .default([]),
});
/**
 * URLs in the order asked for; a relative one is relative to the ground's address. `lengthNeeded`: a PUT has to
 * name its Content-Length, as S3 wants it.
 */
export const urlsResponse = z.object({
  get: z.array(z.string()),
  put: z.array(z.string()),
  lengthNeeded: z.boolean().default(false),
});

export const nodeReport = z.object({
  name: z.string(),
  kind: z.string(),
  status: z.enum(["True", "False", "Unknown"]),
});
export type NodeReport = z.infer<typeof nodeReport>;

/** A user's image on the edge. */
export const imageEntry = z.object({
  name: z.string(),
  tag: z.string(),
  id: z.string(),
  /** bytes */
  size: z.number(),
  /** ms since 1970 */
  created: z.number(),
});
export type ImageEntry = z.infer<typeof imageEntry>;

/** A user's volume on the edge; `size` in bytes as last measured, `created` in ms since 1970. */
export const volumeEntry = z.object({ name: z.string(), size: z.number(), created: z.number() });
export type VolumeEntry = z.infer<typeof volumeEntry>;

/**
 * POST /agent/inventory: all images and volumes of a user as they are now, when they have changed. `truncated`: there
 * are more than are listed. Grounds of version 0.2 and older answer 404.
 */
export const inventoryRequest = z.object({
  epoch,
  user: z.string(),
  images: z.array(imageEntry).max(1000),
  volumes: z.array(volumeEntry).max(1000),
  /** images for FPGAs that are held here, by id, and their last loads, the latest first; absent: neither was ever */
  fpga: z.object({ images: z.array(fpgaImageId).max(1000), loads: z.array(fpgaLoad).max(1000) }).optional(),
  truncated: z.boolean(),
});
export type InventoryReport = Omit<z.infer<typeof inventoryRequest>, "epoch">;

/** POST /agent/offer: what the edge can do, at the agent's start and when it changes. Older grounds answer 404. */
export const offerRequest = z.object({ epoch, offer: edgeOffer });

/**
 * POST /agent/dialects/fpga/held: the FPGA images of every user that the agent had at its start, before it took any
 * command. What is longer is told in pieces, each of a range of ids. Grounds without FPGA images answer 404.
 */
export const fpgaHeldRequest = z.object({
  epoch,
  /** when the session began, by the ground's clock (startResponse): what was stored since then is not meant */
  at: z.number().optional(),
  /** the first id that is meant (default: from the least on) */
  from: fpgaImageId.optional(),
  /** the first id after those that are meant (default: up to the greatest) */
  to: fpgaImageId.optional(),
  held: z.array(z.object({ user: z.string(), images: z.array(fpgaImageId).max(1000) })).max(10_000),
});

/** POST /agent/heartbeat, every 30 s. */
export const heartbeatRequest = z.object({
  epoch,
  nodes: z.array(nodeReport),
  /** bytes held on the edge (volumes and images), by user */
  usage: z.record(z.string(), z.number()),
  /** bytes free where the volumes are */
  free: z.number(),
  /** every change of images and volumes up to now was reported (inventoryRequest) */
  reported: z.boolean().optional(),
  /** absent from agents that know no FPGAs */
  fpga: z.array(fpgaDeviceReport).max(100).optional(),
  /** content to and from the edge, as measured over a thin link, bit/s; absent while unknown, and from version 0.3 or older */
  uplinkBps: z.number().positive().optional(),
  downlinkBps: z.number().positive().optional(),
});
/** Byte quota per user, which the agent enforces too. */
export const heartbeatResponse = z.object({
  quota: z.number(),
  live: liveWish.optional(),
  pools: z.number().int().optional(),
  /** revision of the edge's plan of contact windows: the agent asks for it when it differs; absent: there is none */
  windows: z.number().int().optional(),
});

/** A run of a pod as the agent knows it; `run` is the id of the pod/run command. */
export const podReport = z.object({
  user: z.string(),
  pod: z.string(),
  run: commandId,
  image: z.string(),
  node: z.string(),
  state: containerState,
  /** by which it is reached while it runs, where it has one for itself */
  address: z.string().max(64).optional(),
  /** it ended since its user stopped it, whatever its process made of that */
  stopped: z.boolean().optional(),
});
export type PodReport = z.infer<typeof podReport>;

/** POST /agent/pods: runs that changed since the last time; at most 200 a call. */
export const podsRequest = z.object({ epoch, pods: z.array(podReport).max(200) });

/**
 * PUT /agent/logs?epoch=&user=&pod=&run=&seq=: the next chunk of a run's log, as raw bytes, at most
 * 256 KiB. `seq` counts from 0; a chunk sent twice lands once.
 */
export const logsQuery = z.object({
  epoch: z.coerce.number().int().positive(),
  user: z.string(),
  pod: z.string(),
  run: commandId,
  seq: z.coerce.number().int().nonnegative(),
});
/** `followed`: somebody reads this log as it comes. Older grounds do not say. */
export const logsResponse = z.object({ followed: z.boolean().default(false) });
/**
 * PUT /agent/command-logs?epoch=&user=&command=&seq=&end=: the next chunk of what a command wrote while it worked, as raw
 * bytes: lines like those of a run's log. Grounds of version 0.2 and older answer 404.
 */
export const commandLogsQuery = z.object({
  epoch: z.coerce.number().int().positive(),
  user: z.string(),
  command: commandId,
  seq: z.coerce.number().int().nonnegative(),
  /** 1: nothing follows */
  end: z.enum(["0", "1"]),
});
export const LOG_CHUNK_BYTES = 256 * 1024;
/**
 * How the time ends that a line of a run's log begins with, where it was written to standard error: no engine writes that,
 * and it is a time like others to who knows no streams. Absent from agents of version 0.3 or older, and where the engine does
 * not tell the streams apart.
 */
export const STDERR_OFFSET = "-00:00";

/*
 * Objects that the agent sends in parts, and takes up again after a cut, a restart or a new epoch. A ground of version
 * 0.2 or older has none of these routes (404): the object is sent with one PUT then, see {@link urlsRequest}.
 */

const crc32 = z.string().regex(/^[0-9a-f]{8}$/);
const signedUpload = z.object({
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  /** the body may be compressed (link-encoding.ts); absent where nobody decodes it, as in S3, and from version 0.3 */
  zstd: z.boolean().optional(),
  /** so many bytes are there since an earlier PUT was cut: the body may be the rest, with its `Content-Range`; from version 0.3 */
  from: z.number().int().positive().optional(),
});
const namedParts = z
  .array(z.object({ number: z.number().int().positive(), crc32 }))
  .min(1)
  .max(500);
const transferOf = {
  epoch,
  user: z.string(),
  command: commandId,
  /** number of the object */
  n: z.number().int().nonnegative(),
  transfer: transferName,
};

/** POST /agent/transfers: begins to send an object, or goes on: the same `transfer` with the same size is found again. */
export const transferRequest = z.object({
  ...transferOf,
  size: z.number().int().nonnegative(),
  /** of the whole object, where it is known beforehand */
  crc32: crc32.optional(),
  /** the agent has its result name the object as the answer says: absent from agents of version 0.2 and older */
  named: z.boolean().optional(),
  /** parts are to be no larger, as the agent's link is slow; absent from agents of version 0.3 and older */
  partBytes: z.number().int().min(LIMITS.chunkBytesLeast).max(LIMITS.chunkBytesMost).optional(),
  /** the first parts, where they have that size: a call and its round trip less; absent from version 0.3 and older */
  parts: namedParts.optional(),
});
/** Exactly one of `whole` and `partBytes`. */
export const transferResponse = z.object({
  /** PUT the whole object here: no parts, and no request to complete it */
  whole: signedUpload.optional(),
  /** what the command's result names then, also when a later epoch reports it; absent: its number and size */
  content: stagedContent.optional(),
  /** bytes of every part but the last */
  partBytes: z.number().int().positive().optional(),
  /** where the parts go that were named; absent when they have another size, and from version 0.3 or older */
  parts: z.array(signedUpload.nullable()).optional(),
});

/** POST /agent/transfers/parts: where these parts go. */
export const transferPartsRequest = z.object({
  ...transferOf,
  parts: namedParts,
});
/** In the order asked for; null: this part has arrived. */
export const transferPartsResponse = z.object({ parts: z.array(signedUpload.nullable()) });

/** POST /agent/transfers/complete: all parts were sent; `crc32` is that of the whole object. */
export const transferCompleteRequest = z.object({ ...transferOf, crc32 });
/** `content` is what the command's result names; `missing` are numbers of parts that have not arrived after all. */
export const transferCompleteResponse = z.object({
  content: stagedContent.optional(),
  missing: z.array(z.number().int()).optional(),
});
