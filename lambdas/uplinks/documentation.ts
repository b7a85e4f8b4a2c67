import { createRoute, z } from "@hono/zod-openapi";
import type { ErrorCode } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { STATES } from "#protocol/state.ts";
import { commandLinks, ofAnswer } from "../docs/link.ts";
import { refusals, WITH_BODY, WITH_TOKEN } from "../docs/refusals.ts";
import type { Registry } from "../docs/registry.ts";

const hours = (ms: number) => `${ms / 3600_000} h`;

const hash = (name: string, digits: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${digits}}$`))
    .openapi({ description: `${name}, ${digits} hex digits` });
const deltaBody = z
  .object({
    size: z.number().int().min(0).max(LIMITS.uplinkBytes),
    checksum: hash("XXH64 (seed 0)", 16),
    sha256: hash("SHA-256", 64),
    base: hash("SHA-256 of the file that is there", 64),
  })
  .optional()
  .openapi({
    description:
      'The one file that comes is a delta of the file at its path, and this is what that file is to be. A delta is bytes, a manifest `{"version":1,"pieces":[…]}`, and the length of the manifest (4 bytes, little-endian). The pieces follow one another in the file: `{"bytes"}` are the next bytes of the delta; `{"at","bytes"}` bytes of the old file from `at` on; `{"at","old","bytes","packed"}` what the next `packed` bytes of the delta, one zstd frame with a window of at most 8 MiB, stand for with `old` bytes (at most 8 MiB) of the old file from `at` on as the dictionary: at most 4 MiB, with at most 4 MiB more of the old file than they are, and all pieces together with at most 8 MiB and four times the size of the new file. The edge looks at the old file (`base`) before it fetches anything, and checks the whole; nothing changes unless all is right.',
  });

const openBody = z.object({
  pod_name: z
    .string()
    .optional()
    .openapi({ description: "Volume, as on `/em/files/uplink`", example: "pod-a" }),
  pvc_name: z.string().optional().openapi({ description: "Names the volume instead of `pod_name`" }),
  dest_path: z.string().optional().openapi({ description: "Directory in the volume; made when missing" }),
  part_size: z
    .number()
    .int()
    .min(LIMITS.partBytesLeast)
    .max(LIMITS.partBytesMost)
    .optional()
    .openapi({
      description: `Bytes of every part of a file but its last: ${LIMITS.partBytesLeast / MiB} to ${LIMITS.partBytesMost / MiB} MiB, default ${LIMITS.partBytes / MiB} MiB`,
      example: LIMITS.partBytes,
    }),
  files: z.array(
    z.object({
      path: z
        .string()
        .min(1)
        .openapi({ description: "File name, with directories if it has some", example: "run/data.bin" }),
      size: z.number().int().min(0).openapi({ description: "Bytes", example: 12_000_000 }),
      checksum: z
        .string()
        .regex(/^[0-9a-fA-F]{16}$/)
        .openapi({
          description:
            "XXH64 (seed 0) of the file, 16 hex digits, as `xxhsum -H64` prints it; the edge checks it",
          example: "26c7827d889f6da3",
        }),
      crc32: z.array(z.string().regex(/^[0-9a-fA-F]{8}$/)).openapi({
        description:
          "CRC32 of each part, 8 hex digits; none for an empty file. A part with another is refused",
        example: ["3610a686", "0c877f61"],
      }),
    }),
  ),
  delta: deltaBody,
});

const signedPart = z.object({
  file: z.number().int().openapi({ description: "Index in `files` of the request" }),
  part: z.number().int().openapi({ description: "From 1" }),
  offset: z.number().int(),
  size: z.number().int(),
  crc32: z.string(),
  method: z.literal("PUT"),
  url: z
    .string()
    .openapi({ description: "A relative one is relative to the ground's address. Needs no token" }),
  headers: z.record(z.string(), z.string()).openapi({ description: "To be sent, all of them" }),
});
const upload = z.object({
  id: z
    .string()
    .openapi({ description: "Of the upload and of its command", example: "01JD6Z0V3E8T4Q5R6S7T8V9W0X" }),
  state: z.enum(STATES).openapi({ description: "`staging` while parts are taken" }),
  edge: z.string(),
  file_count: z.number().int(),
  total_bytes: z.number().int(),
  expires_at: z
    .string()
    .optional()
    .openapi({
      description: `When it is given up: ${hours(LIMITS.partsIdleMs)} after URLs were asked for last, ${hours(LIMITS.partsMs)} after it was opened at the latest`,
    }),
  part_size: z.number().int().optional(),
  files: z
    .array(
      z.object({ file: z.number().int(), path: z.string(), size: z.number().int(), parts: z.number().int() }),
    )
    .optional()
    .openapi({ description: "`path` in the volume, and how many parts it has" }),
  complete: z.string(),
  command: z.string(),
});
const withParts = upload.extend({
  parts: z.array(signedPart).openapi({ description: `At most ${LIMITS.partUrls}` }),
  parts_expire_at: z.string().optional(),
  parts_expire_in: z.number().int().optional().openapi({ description: "Seconds" }),
  missing: z.number().int().optional().openapi({ description: "Parts that have not arrived, in all" }),
});

type Doc = {
  path: string;
  method: "get" | "post";
  operationId: string;
  summary: string;
  description: string;
  body?: z.ZodType;
  optionalBody?: boolean;
  headers?: z.ZodRawShape;
  ok: Record<
    number,
    {
      description: string;
      schema: z.ZodType;
      headers?: z.ZodObject;
      links?: ReturnType<typeof commandLinks>;
    }
  >;
  errors: ErrorCode[];
};

const id = z.object({
  id: z.string().openapi({ description: "Of the upload", example: "01JD6Z0V3E8T4Q5R6S7T8V9W0X" }),
});
/** What can be done with the upload of the answer. */
function uploadLinks() {
  const parameters = { id: ofAnswer("/data/id") };
  return {
    upload: { operationId: "getUplink", parameters },
    parts: { operationId: "signUplinkParts", parameters },
    complete: { operationId: "completeUplink", parameters },
  };
}
const text = (description: string) => z.string().optional().openapi({ description });

const UNDER_WAY = {
  description: "The command is under way; `Location` says where to ask for it.",
  schema: z.object({
    command_id: z.string(),
    state: z.string(),
    position: z.number().int().optional(),
  }),
  headers: z.object({ Location: z.string(), "Preference-Applied": z.string().optional() }),
  links: commandLinks("/data/command_id"),
};

const DOCS: Doc[] = [
  {
    path: "/uplinks/base",
    method: "post",
    operationId: "listChunks",
    summary: "List the chunks of a file on the edge",
    description:
      "For an upload with `delta`. It queues. The command's result has `size` and `chunker`, and its content a record of each chunk in order: its bytes less one (2 bytes, little-endian), and the first 8 bytes of its SHA-256; at the end the SHA-256 of the file.",
    body: z.object({
      pod_name: z.string().optional().openapi({ example: "pod-a" }),
      pvc_name: z.string().optional().openapi({ description: "Names the volume instead of `pod_name`" }),
      filepath: z.string().openapi({ description: "Path in the volume", example: "models/net.bin" }),
    }),
    headers: {
      "Perigee-Edge": text("Edge meant; by default the user's own"),
      "Perigee-Expires": text("Until when the edge is to take it: a time with its zone, or a duration"),
      "Perigee-Priority": text("0 to 9, as on the commands of the EM API; default 5"),
    },
    ok: {
      202: UNDER_WAY,
    },
    errors: ["ILLEGAL_PATH", "EDGE_NOT_FOUND", "QUEUE_FULL", "EM_UNREACHABLE"],
  },
  {
    path: "/uplinks",
    method: "post",
    operationId: "openUplink",
    summary: "Open an upload in parts",
    description:
      "For large uplinks, and where no large body passes. The files are cut into parts, and each part is sent with `PUT` to a URL of its own, several at once if you like. A part that was cut is sent again, alone. Whether the edge is busy or out of contact does not matter. Send the parts of the answer, ask `/uplinks/{id}/parts` for more while `missing` is not 0, then `/uplinks/{id}/complete`.",
    body: openBody,
    headers: {
      "Perigee-Edge": text("Edge meant; by default the user's own"),
      "Perigee-Expires": text(
        "Until when the edge is to take it, once it is whole: a time with its zone, or a duration",
      ),
      "Perigee-Priority": text("0 to 9, as on the commands of the EM API; default 5"),
      "Idempotency-Key": text("A repeat within 24 h finds the upload that the first call opened"),
    },
    ok: {
      201: {
        description: "It is open; these are the first parts",
        schema: withParts,
        headers: z.object({ Location: z.string() }),
        links: {
          ...uploadLinks(),
          command: { operationId: "getCommand", parameters: { id: ofAnswer("/data/id") } },
          cancel: { operationId: "cancelCommand", parameters: { id: ofAnswer("/data/id") } },
        },
      },
    },
    errors: [
      "NO_FILES",
      "MAX_UPLINK_SIZE_EXCEEDED",
      "TOO_MANY_FILES",
      "ILLEGAL_PATH",
      "DELTA_BASE_CHANGED",
      "EDGE_NOT_FOUND",
      "IDEMPOTENCY_KEY_REUSED",
      "QUEUE_FULL",
      "QUOTA_EXCEEDED",
      "STORAGE_FULL",
    ],
  },
  {
    path: "/uplinks/{id}",
    method: "get",
    operationId: "getUplink",
    summary: "How an upload in parts stands",
    description: "What has not arrived of it. Once it is complete, `command` tells what becomes of it.",
    ok: {
      200: {
        description: "The upload",
        schema: upload.extend({
          missing: z.number().int().optional(),
          missing_bytes: z.number().int().optional(),
          missing_files: z
            .array(z.object({ file: z.number().int(), parts: z.array(z.number().int()) }))
            .optional(),
        }),
      },
    },
    errors: ["UPLINK_NOT_FOUND"],
  },
  {
    path: "/uplinks/{id}/parts",
    method: "post",
    operationId: "signUplinkParts",
    summary: "URLs for parts of an upload",
    description: `Without a body: of the first ${LIMITS.partUrls} parts that have not arrived, which is all it takes to go on after a cut. With one: of the parts named in it, and which of them have arrived.`,
    body: z.object({
      parts: z
        .array(z.object({ file: z.number().int().min(0), part: z.number().int().min(1) }))
        .min(1)
        .max(LIMITS.partUrls)
        .optional()
        .openapi({ example: [{ file: 0, part: 1 }] }),
    }),
    optionalBody: true,
    ok: {
      200: {
        description: "Parts with their URLs",
        schema: withParts.extend({
          arrived: z.array(z.object({ file: z.number().int(), part: z.number().int() })).optional(),
        }),
      },
    },
    errors: ["UPLINK_NOT_FOUND"],
  },
  {
    path: "/uplinks/{id}/complete",
    method: "post",
    operationId: "completeUplink",
    summary: "Make the uplink of an upload in parts",
    description:
      "The same command as `/em/files/uplink` makes of one body, and the same answer. It queues, and is never refused for a busy edge. Repeating it does nothing again and gives the answer again. To take the upload back: `/commands/{id}/cancel`.",
    headers: { Prefer: text("`respond-async`: 202 at once; `wait=N`: 202 after N seconds") },
    ok: {
      200: {
        description: "Successfully uplinked files",
        schema: z.object({ file_count: z.number().int(), total_size_kb: z.number() }),
      },
      202: UNDER_WAY,
    },
    errors: [
      "UPLINK_NOT_FOUND",
      "UPLINK_INCOMPLETE",
      "CHECKSUM_MISMATCH",
      "DELTA_INVALID",
      "DELTA_BASE_CHANGED",
      "EDGE_NOT_FOUND",
      "LOCKED",
      "QUEUE_FULL",
      "EM_UNREACHABLE",
      "ILLEGAL_PATH",
      "INTERRUPTED",
      "ENGINE_UNAVAILABLE",
      "CANCELLED",
      "EXPIRED",
      "DEADLINE_EXCEEDED",
      "QUOTA_EXCEEDED",
      "STORAGE_FULL",
    ],
  },
];

/** Adds the uplinks in parts to an OpenAPI document. */
export function documentUplinkRoutes(registry: Registry): void {
  for (const doc of DOCS) {
    const { path, method, operationId, summary, description } = doc;
    const body = doc.body && {
      body: { required: !doc.optionalBody, content: { "application/json": { schema: doc.body } } },
    };
    const request = {
      ...(path.includes("{id}") && { params: id }),
      ...(doc.headers && { headers: z.object(doc.headers) }),
      ...body,
    };
    registry.registerPath(
      createRoute({
        method,
        path,
        operationId,
        tags: ["Uplinks in parts"],
        summary,
        description,
        security: [{ bearer: [] }],
        request,
        responses: {
          ...okOf(doc),
          ...refusals([...WITH_TOKEN, ...(doc.body ? WITH_BODY : []), "INVALID_PARAMETERS", ...doc.errors]),
        },
      }),
    );
  }
}

function okOf({ ok }: Doc) {
  return Object.fromEntries(
    Object.entries(ok).map(([status, { description, schema, headers, links }]) => {
      const content = {
        "application/json": { schema: z.object({ message: z.string(), data: schema }) },
      };
      return [status, { description, content, ...(headers && { headers }), ...(links && { links }) }];
    }),
  );
}
