import * as z from "zod";
import { deltaTarget } from "./chunking/delta.ts";
import { FIELD_BOUNDS } from "./field-bounds.ts";
import { fpgaImage, fpgaImageId } from "./fpga-image.ts";
import { imageBuildInput } from "./image-build.ts";
import { compiledImage, imageCompile } from "./image-compile.ts";
import { imageExport, imageImport } from "./image-transfer.ts";
import { jobEnd, jobRunInput } from "./job-run.ts";
import { LIMITS } from "./limits.ts";
import { label, space } from "./names.ts";
import { podMounts, podRunInput } from "./pod-run.ts";
import { listingId } from "./volume-changes.ts";
import { volumeCreate } from "./volume-create.ts";
import { volumePath } from "./volume-path.ts";

/**
 * The operations an edge can be asked for. Inputs are neutral: whatever a dialect accepts has been read,
 * checked and turned into these shapes on the ground. The agent checks them again before it acts.
 */

export { volumePath };

/** XXH64 (seed 0) of content, 16 hex digits. */
const xxh64 = z.string().regex(/^[0-9a-f]{16}$/);

/** A staged file of a command: `n` is its number in staging, `path` where it goes in the volume. */
export const stagedFile = z.object({
  n: z.number().int().nonnegative(),
  path: volumePath,
  /** bytes */
  size: z.number().int().nonnegative(),
  /** checked end to end */
  xxh64,
});
export type StagedFile = z.infer<typeof stagedFile>;

/** Identifies one transfer of an object in parts. The agent chooses it; it is never all digits. */
export const transferName = z.string().regex(/^t[0-9a-z]{16,40}$/);

/** An object that the agent put into staging: `n` is its number, `size` its bytes. */
export const stagedContent = z.object({
  n: z.number().int().nonnegative(),
  size: z.number().int().nonnegative(),
  /** it came in parts, under this name */
  transfer: transferName.optional(),
  /** each part is an object of its own, of this many bytes except the last */
  chunkBytes: z.number().int().positive().optional(),
});
export type StagedContent = z.infer<typeof stagedContent>;

/** State of a pod's container in the shape of Kubernetes' ContainerState. Times are UTC, whole seconds. */
export const containerState = z.union([
  z.object({ waiting: z.object({ reason: z.string(), message: z.string().optional() }) }),
  z.object({ running: z.object({ startedAt: z.string() }) }),
  z.object({
    terminated: z.object({
      exitCode: z.number().int(),
      reason: z.string(),
      startedAt: z.string().nullable(),
      finishedAt: z.string().nullable(),
      message: z.string().optional(),
    }),
  }),
]);
export type ContainerState = z.infer<typeof containerState>;

const none = z.object({});
const byteRange = z.object({
  /** first byte, inclusive; absent: the last `suffix` bytes */
  start: z.number().int().nonnegative().optional(),
  /** last byte, inclusive; absent: to the end */
  end: z.number().int().nonnegative().optional(),
  suffix: z.number().int().nonnegative().optional(),
});

const image = z.string().max(FIELD_BOUNDS.image.bytes);

const TRANSFER_S = 60 * 60;
const IMAGE_S = 30 * 60;
const FPGA_S = 24 * 60 * 60;
const SHORT_S = 2 * 60;
/** Years: what bounds it is in its input. */
const UNBOUNDED_S = 1_000_000_000;

type Operation = {
  input: z.ZodType;
  result: z.ZodType;
  /** Changes something on the edge: journalled, so that it takes effect once. */
  changes: boolean;
  /** Writes a log while it works, which users read in rows. */
  logs?: true;
  /**
   * Deadline of the work on the edge, in seconds from the grant of its resources. While content is sent, or a transfer
   * waits for contact, it is paused.
   */
  deadline: number;
};

/** In which name space volumes and images are; absent: in the users' own, the EM's. */
const spaced = { space: space.optional() };

const fileDelete = {
  input: z.object({ ...spaced, volume: label, path: volumePath }),
  result: none,
  changes: true,
  deadline: SHORT_S,
};
const volumeRemove = {
  input: z.object({ ...spaced, volume: label }),
  result: none,
  changes: true,
  deadline: SHORT_S,
};

export const OPERATIONS = {
  /** Put staged files into a volume: all or none. The manifest ({@link stagedFile}[]) is staged too. */
  "volume.uplink": {
    input: z.object({
      ...spaced,
      volume: label,
      count: z.number().int().min(0).max(LIMITS.uplinkFiles),
      bytes: z.number().int().min(0).max(LIMITS.uplinkBytes),
    }),
    result: z.object({ count: z.number().int(), bytes: z.number().int() }),
    changes: true,
    deadline: TRANSFER_S,
  },
  /**
   * Put a file together of the one at its path and a staged delta (protocol/chunking/delta.ts), as an uplink of it. The
   * manifest names the delta, as file 0.
   */
  "volume.patch": {
    input: z.object({
      ...spaced,
      volume: label,
      path: volumePath,
      count: z.literal(1),
      /** of the whole new file, as what follows */
      bytes: deltaTarget.shape.size,
      sha256: deltaTarget.shape.sha256,
      xxh64: deltaTarget.shape.xxh64,
      /** of the file that is there; absent from earlier grounds, whose deltas are of another kind: no agent makes a file of those */
      base: deltaTarget.shape.base.optional(),
    }),
    result: z.object({ count: z.number().int(), bytes: z.number().int() }),
    changes: true,
    deadline: TRANSFER_S,
  },
  /** List the chunks of a file, into staging (protocol/chunking/chunk-list.ts). */
  "volume.chunks": {
    input: z.object({ ...spaced, volume: label, path: volumePath }),
    result: z.object({
      /** bytes of the file */
      size: z.number().int().nonnegative(),
      /** how it is cut */
      chunker: z.string().max(40),
      content: stagedContent,
    }),
    changes: false,
    deadline: TRANSFER_S,
  },
  /**
   * List a volume. `listing` is the JSON text of the entries array (small ones), `content` the same text in
   * staging (large ones): it is written once, at the edge, and streamed through the ground untouched, which
   * also keeps 64-bit hashes exact.
   */
  "volume.list": {
    input: z.object({ ...spaced, volume: label }),
    result: z.object({
      listing: z.string().optional(),
      content: stagedContent.optional(),
      /** the listing stopped at a bound (entries or depth) */
      truncated: z.boolean(),
    }),
    changes: false,
    deadline: TRANSFER_S,
  },
  /**
   * Read a file, or a directory as an archive, into staging. `range` and `ifRange` as in RFC 9110. An agent without
   * the feature `volume.read.zip` takes no notice of `archive`.
   */
  "volume.read": {
    input: z.object({
      ...spaced,
      volume: label,
      path: volumePath,
      range: byteRange.optional(),
      ifRange: z.string().max(200).optional(),
      /** how a directory is sent (default tar) */
      archive: z.enum(["tar", "zip"]).optional(),
      /**
       * a directory's tar begins with a manifest (protocol/volume-changes.ts), and has only what is new or changed since
       * the downlink with this listing; all when that is not known. Older agents take no notice of it.
       */
      since: listingId.optional(),
    }),
    result: z.object({
      kind: z.enum(["file", "directory"]),
      /** last component of the path; the volume's name for its root */
      name: z.string(),
      /** what a directory was sent as; absent: tar */
      archive: z.enum(["tar", "zip"]).optional(),
      /** bytes of the whole file, or of the archive */
      total: z.number().int(),
      etag: z.string(),
      /** of what a directory's tar has brought */
      listing: listingId.optional(),
      /** the tar has what changed since that listing; absent: everything */
      since: listingId.optional(),
      /** ms since 1970 */
      modified: z.number(),
      /** what of a file was sent, inclusive; absent: all of it */
      range: z.object({ start: z.number().int(), end: z.number().int() }).optional(),
      content: stagedContent,
    }),
    changes: false,
    deadline: TRANSFER_S,
  },
  /** Delete a file, or a directory with all that is in it. */
  "file.delete": fileDelete,
  /** The name of {@link OPERATIONS}["file.delete"] in versions up to 0.2: it always means a path. */
  "volume.delete": fileDelete,
  "volumes.list": {
    input: z.object(spaced),
    result: z.object({
      /** size in bytes, created in ms since 1970 */
      volumes: z.array(z.object({ name: z.string(), size: z.number(), created: z.number() })),
    }),
    changes: false,
    deadline: SHORT_S,
  },
  /** Remove a volume with everything in it. */
  "volume.remove": volumeRemove,
  /** {@link OPERATIONS}["volume.remove"] as versions up to 0.2 call it. */
  "volumes.delete": volumeRemove,
  /** A new volume, also from staged data: all of it or nothing. Once it is there, repeating the command changes nothing. */
  "volume.create": {
    input: volumeCreate,
    /** what is in it */
    result: z.object({ bytes: z.number().int().nonnegative() }),
    changes: true,
    deadline: IMAGE_S,
  },
  /** Makes an image from staged sources with a compiler that the edge offers (protocol/edge-offer.ts). */
  "image.compile": {
    input: imageCompile,
    result: compiledImage,
    changes: true,
    logs: true,
    deadline: IMAGE_S,
  },
  /** An own image as one archive, into staging. */
  "image.export": {
    input: imageExport,
    result: z.object({
      content: stagedContent,
      xxh64,
      /** of its programs, as images name it; empty where it does not say */
      architecture: z.string().max(40),
    }),
    changes: false,
    deadline: IMAGE_S,
  },
  /** Makes an image of a staged archive that `image.export` made, as one from outside: checked, and written again. */
  "image.import": { input: imageImport, result: compiledImage, changes: true, logs: true, deadline: IMAGE_S },
  "image.build": {
    input: imageBuildInput,
    result: z.object({
      /** the end of its log, when it was asked for: lines with their ends, at most LIMITS.logTailLines */
      logTail: z.array(z.string()).optional(),
    }),
    changes: true,
    logs: true,
    deadline: IMAGE_S,
  },
  "image.load": {
    input: z.object({ ...spaced, volume: label, tarfile: volumePath, image }),
    result: none,
    changes: true,
    logs: true,
    deadline: IMAGE_S,
  },
  "image.list": {
    input: z.object(spaced),
    result: z.object({
      images: z.array(
        z.object({
          name: z.string(),
          tag: z.string(),
          id: z.string(),
          /** bytes */
          size: z.number(),
          /** ms since 1970 */
          created: z.number(),
        }),
      ),
    }),
    changes: false,
    deadline: SHORT_S,
  },
  "image.delete": {
    input: z.object({
      ...spaced,
      image,
      /** killed and forgotten before it */
      pods: z.array(label).max(1000).optional(),
    }),
    result: none,
    changes: true,
    deadline: SHORT_S,
  },
  /** Accepts a run. The command ends when the run is recorded; the run is started after that. */
  "pod.run": { input: podRunInput, result: none, changes: true, deadline: SHORT_S },
  /**
   * Runs a pod that has terminated again, at once: a new run with the specification of its latest one, and the content
   * of its image. `mounts`: in place of those it had.
   */
  "pod.start": {
    input: z.object({ pod: label, mounts: podMounts.optional() }),
    result: none,
    changes: true,
    deadline: SHORT_S,
  },
  /** Kills a pod and forgets its runs and their logs; one that is not there is no error. Its volumes stay. */
  "pod.remove": { input: z.object({ pod: label }), result: none, changes: true, deadline: SHORT_S },
  "pod.status": {
    input: z.object({ pod: label }),
    result: z.object({ state: containerState }),
    changes: false,
    deadline: SHORT_S,
  },
  "pod.stop": { input: z.object({ pod: label }), result: none, changes: true, deadline: SHORT_S },
  /**
   * Runs a job: succeeds with every end that the agent can tell. `content` is the zip of its outbox, there when its state
   * is `done`. A cancel after its container was made is an end like others.
   */
  "job.run": {
    input: jobRunInput,
    result: jobEnd.extend({ content: stagedContent.optional() }),
    changes: true,
    deadline: UNBOUNDED_S,
  },
  "nodes.status": {
    input: none,
    result: z.object({ nodes: z.array(z.object({ name: z.string(), status: z.string() })) }),
    changes: false,
    deadline: SHORT_S,
  },
  /** Hold a staged file, number 0, as an FPGA image. */
  "fpga.store": {
    input: fpgaImage,
    /** `log`: what the agent tells of the transfer, absent from older ones; of a failure it is in its data */
    result: z.object({ sha256: z.string(), bytes: z.number().int(), log: z.string().max(65_536).optional() }),
    changes: true,
    deadline: FPGA_S,
  },
  /** Hold it no longer; one that is not held is no error. */
  "fpga.delete": { input: z.object({ image: fpgaImageId }), result: none, changes: true, deadline: SHORT_S },
  /** The operator adds an image of the engine to the public ones. */
  "edge.publish": { input: z.object({ image }), result: none, changes: true, deadline: SHORT_S },
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
export type InputOf<O extends OperationName> = z.infer<(typeof OPERATIONS)[O]["input"]>;
export type ResultOf<O extends OperationName> = z.infer<(typeof OPERATIONS)[O]["result"]>;

/** Names of all operations that this version knows. */
export const OPERATION_NAMES = Object.keys(OPERATIONS) as OperationName[];

/** The operations of agents of version 0.1, which do not name them when they start. Never changed. */
export const FIRST_OPERATIONS: readonly string[] = [
  "volume.uplink",
  "volume.list",
  "volume.read",
  "volume.delete",
  "volumes.list",
  "volumes.delete",
  "image.build",
  "image.load",
  "image.list",
  "image.delete",
  "pod.run",
  "pod.status",
  "pod.stop",
  "nodes.status",
  "edge.publish",
];

/** Is `name` one of {@link OPERATIONS}? What comes from the other side may be of a newer version. */
export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name);
}
