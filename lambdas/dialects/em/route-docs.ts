import { type RouteConfig, z } from "@hono/zod-openapi";
import type { ErrorCode } from "#protocol/errors.ts";
import { FIELD_BOUNDS } from "#protocol/field-bounds.ts";
import { OWN_NAME_LENGTH } from "#protocol/image-reference.ts";
import { containerState } from "#protocol/operations.ts";
import { partAnswer, redirectAnswer } from "../../docs/content-answers.ts";
import { ofAnswer } from "../../docs/link.ts";
import type { ErrorExamples } from "../../docs/refusals.ts";

type LinksOfRoute = Exclude<RouteConfig["responses"][number], { $ref: string }>["links"];

/** What the OpenAPI document says of one route; what all routes share is added in documentation.ts. */
export type RouteDoc = {
  /** `operationId`, which links name */
  id: string;
  summary: string;
  description?: string;
  fields: z.ZodRawShape;
  headers?: z.ZodObject;
  /** takes a multipart form only */
  multipart?: boolean;
  /** false: the ground answers by itself, there is no command, no lock and no `Prefer` */
  commands?: false;
  ok: RouteConfig["responses"][number];
  further?: RouteConfig["responses"];
  /** codes beside those that every route has */
  errors: ErrorCode[];
  examples?: ErrorExamples;
};

const label = z
  .string()
  .max(FIELD_BOUNDS.pod_name.bytes)
  .regex(/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
const pod = label.optional().openapi({
  description: "Pod, and the volume of that name; the default one when absent. An RFC 1035 label",
  example: "pod-a",
});
const pvc = label.optional().openapi({
  description: "Names the volume instead of `pod_name`",
  example: "pod-a",
});
const volume = { pod_name: pod, pvc_name: pvc };
const ownImage = z.string().openapi({
  description: `Image name, at most ${OWN_NAME_LENGTH} characters and a tag, without registry host and digest`,
  example: "experiment3-new-application",
});
const relative = (description: string, example: string) =>
  z.string().min(1).max(FIELD_BOUNDS.filepath.bytes).openapi({ description, example });
/** What the request was about, for links from its answer: where the call was a GET and where it was a POST. */
const samePod = { pod_name: "$request.body#/pod_name" };

/** A 200 with a message, and data when there is some; `more`: fields beside them, and links. */
function ok(
  message: string,
  data?: { schema: z.ZodType; example: unknown },
  more: { fields?: z.ZodRawShape; links?: LinksOfRoute; headers?: z.ZodObject } = {},
): RouteDoc["ok"] {
  const { fields, ...rest } = more;
  const example = data ? { message, data: data.example } : { message };
  const schema = z.object({ message: z.string(), ...(data && { data: data.schema }), ...fields });
  return { description: message, ...rest, content: { "application/json": { schema, example } } };
}

const bytes = z.string().openapi({ type: "string", format: "binary" });
const created = z.string().openapi({ example: "2025-11-20T12:31:12Z" });
const listed = z.object({
  type: z.enum(["file", "directory", "symlink", "other"]),
  name: z.string(),
  name_base64: z.string().optional().openapi({
    description:
      "Only of an entry whose name is not UTF-8, which is of type `other` and cannot be asked for by itself: the bytes of its name. `name` then shows each foreign byte as `\\\\xE9` and a backslash as two, with `?` at the end while another entry has that name. A tar of the directory has the entry as it is; deleting the directory deletes it.",
  }),
  size: z.string().openapi({ description: "Bytes; of a directory the sum of its files" }),
  time: z.string().openapi({ description: "Last change, UTC, `YYYY-MM-DD-HH-MM`" }),
  hash: z.number().int().nullable().optional().openapi({
    format: "int64",
    description: "XXH64 (seed 0) of the content as a signed 64-bit integer, exact",
  }),
  contents: z.array(z.unknown()).optional().openapi({ description: "Entries of a directory" }),
});

const imageLinks = { links: { images: { operationId: "listImages" } } };

export const ROUTE_DOCS: Record<string, RouteDoc> = {
  "/em/files/uplink": {
    id: "uplinkFiles",
    summary: "Upload files into a volume",
    description:
      "Parts in any order. Every part with a filename is a file, unless it has the name of a field. A part's file name may carry a relative path. At most 2 GB and 10,000 files a call; all arrive or none. Of two files for one path the later counts.",
    multipart: true,
    fields: {
      files: z.array(bytes).min(1),
      dest_path: relative("Directory in the volume; made when missing", "./experiment-1").optional(),
      ...volume,
    },
    ok: ok(
      "Successfully uplinked files",
      {
        schema: z.object({ file_count: z.number().int(), total_size_kb: z.number() }),
        example: { file_count: 2, total_size_kb: 12.34 },
      },
      { links: { files: { operationId: "listFiles", parameters: samePod } } },
    ),
    errors: [
      "NO_FILES",
      "MAX_UPLINK_SIZE_EXCEEDED",
      "TOO_MANY_FILES",
      "ILLEGAL_PATH",
      "CHECKSUM_MISMATCH",
      "QUOTA_EXCEEDED",
      "STORAGE_FULL",
    ],
    examples: {
      NO_FILES: { message: "No files were provided for uplink!" },
      MAX_UPLINK_SIZE_EXCEEDED: { message: "Total upload size exceeds 2 GB" },
    },
  },
  "/em/files/list": {
    id: "listFiles",
    summary: "List the files of a volume",
    description: "A volume that was never used lists as empty.",
    fields: volume,
    ok: ok(
      "Successfully listed files",
      {
        schema: z.array(listed),
        example: [
          {
            type: "file",
            name: "downlink.txt",
            size: "167",
            time: "2025-11-20-12-31",
            hash: 42,
          },
        ],
      },
      {
        fields: {
          truncated: z.literal(true).optional().openapi({ description: "Only the first entries are listed" }),
        },
        links: {
          file: {
            operationId: "downlinkFile",
            parameters: { filepath: ofAnswer("/data/0/name"), pod_name: "$request.query.pod_name" },
          },
        },
      },
    ),
    errors: [],
  },
  "/em/files/downlink": {
    id: "downlinkFile",
    summary: "Download a file, or a directory as a tar",
    description:
      "HEAD answers the same without the content. Of a directory with `Perigee-Since`, the first entry of the tar is `.perigee-changes.json`: `since` (null when the tar has everything, as the edge does not know that listing, or no more), `listing`, and `gone`, the paths that are there no more.",
    fields: { filepath: relative("Path in the volume", "./results/data.txt"), ...volume },
    headers: z.object({
      Range: z.string().optional().openapi({ example: "bytes=0-1023" }),
      "If-Range": z.string().optional().openapi({ description: "The `ETag` that the range is of" }),
      "Perigee-Since": z.string().optional().openapi({
        description:
          "`Perigee-Listing` of an earlier downlink of this directory: only what is new or changed since comes",
        example: "01JD6Z0V3E8T4Q5R6S7T8V9W0X",
      }),
    }),
    ok: {
      description: "The content",
      headers: z.object({
        "Content-Length": z.string(),
        "Content-Disposition": z.string().openapi({ example: 'attachment; filename="data.txt"' }),
        ETag: z.string(),
        "Perigee-Listing": z
          .string()
          .optional()
          .openapi({ description: "Of a directory: names what was brought, for `Perigee-Since`" }),
        "Perigee-Since": z
          .string()
          .optional()
          .openapi({ description: "The tar has only what changed since that listing" }),
      }),
      content: { "application/octet-stream": { schema: bytes }, "application/x-tar": { schema: bytes } },
    },
    further: { 206: partAnswer, 302: redirectAnswer },
    errors: [
      "INVALID_PATH",
      "ILLEGAL_PATH",
      "FILE_NOT_FOUND",
      "RANGE_NOT_SATISFIABLE",
      "QUOTA_EXCEEDED",
      "STORAGE_FULL",
    ],
  },
  "/em/files/delete": {
    id: "deleteFile",
    summary: "Delete a file or a directory",
    description: "A leading `/` means the volume's root. A link is deleted itself, never what it points at.",
    fields: { filepath: relative("Path in the volume", "./config/incorrect_config.yaml"), ...volume },
    ok: ok("File deleted successfully"),
    errors: ["DELETE_FAILED", "ILLEGAL_PATH"],
  },
  "/em/pod/image/build": {
    id: "buildImage",
    summary: "Build an image from a volume",
    description: "Without network; nothing is pulled. On failure `log_tail` holds the last 100 lines.",
    fields: {
      dockerfile: relative("Path of the Dockerfile in the volume", "test-exp-3/Dockerfile"),
      context: relative("Path of the build context in the volume", "test-exp-3/"),
      image: ownImage,
      ...volume,
    },
    ok: ok("Docker Image built successfully", undefined, imageLinks),
    errors: ["BUILD_FAILED", "QUOTA_EXCEEDED", "STORAGE_FULL"],
    examples: {
      BUILD_FAILED: {
        message: "Docker build failed",
        log_tail: ['unable to prepare context: path "new-software" not found\n'],
      },
    },
  },
  "/em/pod/image/load": {
    id: "loadImage",
    summary: "Load an image from a tar in a volume",
    fields: {
      tarfile: relative("Path of the archive (tar, or gzip of one) in the volume", "images/experiment-2.tar"),
      image: ownImage.openapi({ example: "experiment-2-bis" }),
      ...volume,
    },
    ok: ok("Tar file loaded successfully", undefined, imageLinks),
    errors: ["IMAGE_LOAD_FAILED", "QUOTA_EXCEEDED", "STORAGE_FULL"],
    examples: {
      IMAGE_LOAD_FAILED: {
        message: "Docker Image tarfile failed to load",
        log_tail: ["images/experiment-2.tar: No such file or directory\n"],
      },
    },
  },
  "/em/pod/image/list": {
    id: "listImages",
    summary: "List own images",
    fields: {},
    ok: ok(
      "Successfully loaded list of docker images",
      {
        schema: z.array(
          z.object({ name: z.string(), tag: z.string(), id: z.string(), size: z.number().int(), created }),
        ),
        example: [
          {
            name: "echo-test",
            tag: "latest",
            id: "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
            size: 1_234_567,
            created: "2025-11-20T12:31:12Z",
          },
        ],
      },
      { links: { delete: { operationId: "deleteImage", requestBody: { image: ofAnswer("/data/0/name") } } } },
    ),
    errors: [],
  },
  "/em/pod/image/delete": {
    id: "deleteImage",
    summary: "Delete an own image",
    fields: { image: ownImage },
    ok: ok("Docker Image deleted successfully"),
    errors: ["IMAGE_NOT_FOUND", "IMAGE_IN_USE"],
  },
  "/em/pod/run": {
    id: "runPod",
    summary: "Run a pod",
    description:
      "It is scheduled; what becomes of it is told by the status. In a form, lists and dictionaries are JSON, Python-style literals, `args[]` and `envs[KEY]` or, lists, a repeated field. `command`, `args` and `envs` have at most 128 KiB together.",
    fields: {
      image: z.string().max(FIELD_BOUNDS.image.bytes).openapi({ example: "python:3.11-alpine" }),
      max_duration: z.number().int().min(1).openapi({ description: "Minutes", example: 30 }),
      node: z.enum(["FPGA", "GPU", "MPU"]).openapi({ description: "In any letter case", example: "FPGA" }),
      scheduled_time: z.string().optional().openapi({
        description: "ISO 8601 with a zone; in the past means at once",
        example: "2025-05-22T12:10:00+02:00",
      }),
      fpga_image: z.string().max(FIELD_BOUNDS.fpga_image.bytes).optional().openapi({
        description:
          "FPGA image to program the node's device with before the first process: id, or name of one that is active; `none` for none. By default the one that the image is associated with; only where the ground has FPGA images",
      }),
      command: z.string().max(FIELD_BOUNDS.command.bytes).optional().openapi({
        description:
          "Replaces ENTRYPOINT and CMD; by `/bin/sh -c` when it has shell characters and no `args`",
        example: "echo 'is it this simple to run in space?' > hello-space.txt",
      }),
      ports: z
        .array(z.number().int().min(1).max(65535))
        .max(FIELD_BOUNDS.ports.items)
        .optional()
        .openapi({ example: [80, 1999, 14] }),
      envs: z
        .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
        .optional()
        .openapi({
          description: `At most ${FIELD_BOUNDS.envs.items}`,
          example: { DURATION: 60, SIZE: 1024 },
        }),
      args: z
        .array(z.string())
        .max(FIELD_BOUNDS.args.items)
        .optional()
        .openapi({ example: ["--debug", "-f", "output.dat"] }),
      ...volume,
    },
    ok: ok("Docker run scheduled successfully", undefined, {
      links: {
        status: { operationId: "getPodStatus", parameters: samePod },
        logs: { operationId: "getPodLogs", parameters: samePod },
        stop: { operationId: "stopPod", requestBody: samePod },
      },
    }),
    errors: [
      "QUOTA_EXCEEDED",
      "STORAGE_FULL",
      "FPGA_IMAGE_NOT_FOUND",
      "FPGA_IMAGE_NOT_ACTIVE",
      "NOT_SUPPORTED",
    ],
  },
  "/em/pod/status": {
    id: "getPodStatus",
    summary: "State of a pod",
    fields: { pod_name: pod },
    ok: ok("Successfully fetched DPhi Pod status", {
      schema: z.object({ state: containerState }),
      example: { state: { running: { startedAt: "2025-11-20T12:31:12Z" } } },
    }),
    errors: ["POD_NOT_FOUND"],
  },
  "/em/pod/stop": {
    id: "stopPod",
    summary: "Stop a pod",
    description: "Gracefully; also one that is only scheduled.",
    fields: { pod_name: pod },
    ok: ok("Pod stopped successfully"),
    errors: ["POD_NOT_FOUND"],
  },
  "/em/pod/logs": {
    id: "getPodLogs",
    summary: "Output of a pod",
    description: "stdout and stderr, also after the pod's end, as far as the edge has sent them down.",
    fields: {
      pod_name: pod,
      tail: z
        .union([z.number().int().min(0).max(1_000_000_000), z.literal("all")])
        .optional()
        .openapi({ description: "The last so many lines" }),
      since: z.string().optional().openapi({
        description: "ISO 8601 with a zone, seconds since 1970, or back from now (`90s`, `10m`, `2h`, `1d`)",
        example: "10m",
      }),
      previous: z.boolean().optional().openapi({ description: "Of the run before" }),
      follow: z.boolean().optional().openapi({ description: "Stream until the pod has terminated" }),
    },
    commands: false,
    ok: { description: "Text", content: { "text/plain": { schema: z.string(), example: "hello\n" } } },
    errors: ["POD_NOT_FOUND"],
  },
  "/em/nodes/status": {
    id: "getNodes",
    summary: "Nodes and whether they take pods",
    fields: {},
    ok: ok("Nodes retrieved successfully.", {
      schema: z.array(z.object({ name: z.string(), status: z.enum(["True", "False", "Unknown"]) })),
      example: [
        { name: "fpga", status: "True" },
        { name: "gpu", status: "True" },
        { name: "mpu1", status: "True" },
      ],
    }),
    errors: [],
  },
  "/em/pvc/list": {
    id: "listVolumes",
    summary: "List own volumes",
    fields: {},
    ok: ok(
      "Successfully listed volumes",
      {
        schema: z.array(z.object({ name: z.string(), size: z.number().int(), created })),
        example: [{ name: "default", size: 4096, created: "2025-11-20T12:31:12Z" }],
      },
      {
        links: {
          files: { operationId: "listFiles", parameters: { pod_name: ofAnswer("/data/0/name") } },
          delete: { operationId: "deleteVolume", requestBody: { pvc_name: ofAnswer("/data/0/name") } },
        },
      },
    ),
    errors: [],
  },
  "/em/pvc/delete": {
    id: "deleteVolume",
    summary: "Delete a volume with all its files",
    fields: {
      pvc_name: label.openapi({
        description: "Volume to delete; `pod_name` is read too",
        example: "pod-before",
      }),
    },
    ok: ok("Volume deleted successfully"),
    errors: ["VOLUME_NOT_FOUND", "VOLUME_IN_USE"],
  },
};
