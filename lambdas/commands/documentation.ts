import { createRoute, z } from "@hono/zod-openapi";
import type { ErrorCode } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { STATES } from "#protocol/state.ts";
import { partAnswer, redirectAnswer } from "../docs/content-answers.ts";
import { commandLinks, ofAnswer } from "../docs/link.ts";
import { refusals, WITH_TOKEN } from "../docs/refusals.ts";
import type { Registry } from "../docs/registry.ts";
import { window } from "../edges/documentation.ts";
import { MAX_WAIT_S } from "./query.ts";
import { MAX_PAGE } from "./routes.ts";

const view = z
  .object({
    command_id: z.string().openapi({ example: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F" }),
    operation: z.string().openapi({ example: "volume.uplink" }),
    edge: z.string(),
    lane: z
      .string()
      .openapi({ description: "the queue that it goes through, one or more of each API", example: "em" }),
    state: z.enum(STATES),
    input: z.unknown(),
    position: z
      .number()
      .int()
      .optional()
      .openapi({ description: "1 = next to run; only while queued and not held by its user" }),
    priority: z.number().int().openapi({ description: "0 to 9; of those that came together 9 goes first" }),
    held: z.enum(["user", "lane", "edge"]).optional().openapi({
      description: "only while it waits: its user holds it, or the operator its lane or edge",
    }),
    held_at: z.string().optional().openapi({ description: "since when its user holds it" }),
    contact: z.enum(["ok", "lost"]).optional().openapi({ description: "only while running" }),
    progress: z.unknown().optional(),
    transfer: z
      .object({
        direction: z.enum(["uplink", "downlink"]),
        bytes_left: z.number(),
        ends_at: z.string().nullable(),
        window: window.nullable(),
      })
      .optional()
      .openapi({
        description:
          "only in `GET /commands/{id}`, of an uplink that waits and of bytes that cross the link: when they are expected to be over, and in which contact window; null where the edge's plan does not tell",
      }),
    waits_for: z.object({ resource: z.string(), command_id: z.string().optional() }).optional().openapi({
      description:
        "what a running command still waits for on the edge; `command_id` is the one before it, if it is one's own",
    }),
    attempts: z.number().int(),
    created_at: z.string(),
    queued_at: z.string().optional(),
    expires_at: z.string().optional().openapi({ description: "expires if no edge has claimed it by then" }),
    claimed_at: z.string().optional(),
    granted_at: z.string().optional().openapi({ description: "it had all it needs on the edge" }),
    ended_at: z.string().optional(),
    cancel_requested_at: z.string().optional(),
    result: z.unknown().optional(),
    error: z.unknown().optional(),
    content: z
      .string()
      .optional()
      .openapi({ description: "where the bytes of a downlink or listing are, for 24 hours" }),
  })
  .openapi("Command");

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { "application/json": { schema } },
});
const one = z.object({ message: z.string(), data: view });
const id = z.object({
  id: z.string().openapi({ description: "ULID of the command", example: "01JD6Z0V3E8T4Q5R6S7T8V9W0X" }),
});
const logPage = z
  .object({
    rows: z.array(
      z.object({
        cursor: z.number().int(),
        time: z.string().optional().openapi({ description: "RFC 3339; absent on notes of the agent" }),
        stream: z.literal("stderr").optional().openapi({
          description: "It was written to standard error; absent where it was not, or nobody knows",
        }),
        text: z.string(),
      }),
    ),
    next: z.number().int().openapi({ description: "`after` of the next page" }),
    dropped: z.boolean().openapi({ description: "Rows before the first one here are kept no more" }),
    complete: z.boolean().openapi({ description: "The log has ended and these are its last rows" }),
  })
  .openapi("LogPage");
const security = [{ bearer: [] }];
const refused = (...codes: ErrorCode[]) => refusals([...WITH_TOKEN, ...codes]);
const bytes = z.string().openapi({ type: "string", format: "binary" });
const content = {
  "application/octet-stream": { schema: bytes },
  "application/x-tar": { schema: bytes },
  "application/json": { schema: z.unknown().openapi({ description: "A listing, or a long result" }) },
};
const range = z.object({
  Range: z.string().optional().openapi({ example: "bytes=0-1023" }),
  "If-Range": z.string().optional().openapi({ description: "The `ETag` that the range is of" }),
});

/** Adds commands as a resource to an OpenAPI document. */
export function documentCommandRoutes(registry: Registry): void {
  registry.registerPath(
    createRoute({
      method: "get",
      path: "/commands",
      operationId: "listCommands",
      tags: ["Commands"],
      summary: "Own commands, newest first",
      security,
      request: {
        query: z.object({
          limit: z.number().int().min(1).max(MAX_PAGE).optional().openapi({ description: "Default 50" }),
          before: z.string().optional().openapi({ description: "`next` of the page before" }),
          state: z.enum(STATES).optional(),
        }),
      },
      responses: {
        200: {
          ...json(
            z.object({ message: z.string(), data: z.array(view), next: z.string().optional() }),
            "A page",
          ),
          links: {
            ...commandLinks("/data/0/command_id"),
            next: { operationId: "listCommands", parameters: { before: ofAnswer("/next") } },
          },
        },
        ...refused("INVALID_PARAMETERS"),
      },
    }),
  );
  registry.registerPath(
    createRoute({
      method: "get",
      path: "/commands/{id}",
      operationId: "getCommand",
      tags: ["Commands"],
      summary: "One command",
      description: "With `wait` it answers when the command changes, or after that many seconds.",
      security,
      request: {
        params: id,
        query: z.object({
          wait: z.number().int().min(0).max(MAX_WAIT_S).optional().openapi({ description: "Seconds" }),
        }),
      },
      responses: {
        200: { ...json(one, "The command"), links: commandLinks("/data/command_id") },
        ...refused("INVALID_PARAMETERS", "COMMAND_NOT_FOUND"),
      },
    }),
  );
  registry.registerPath(
    createRoute({
      method: "get",
      path: "/commands/{id}/log",
      operationId: "getCommandLog",
      tags: ["Commands"],
      summary: "Rows of the log of a run or a build",
      description:
        "The log of the run that a `pod.run` command began, or what a build or load wrote while it worked. A row's `cursor` is the byte offset in the log at which it ends: it grows and never changes. Ask again with `after` = `next`. With `Accept: text/plain` it is the text of all rows from there on.",
      security,
      request: {
        params: id,
        query: z.object({
          after: z
            .number()
            .int()
            .min(0)
            .max(Number.MAX_SAFE_INTEGER)
            .optional()
            .openapi({ description: "`next` of the page before; default 0, the beginning" }),
          limit: z
            .number()
            .int()
            .min(1)
            .max(LIMITS.logRows)
            .optional()
            .openapi({ description: "Rows at most, default 1000" }),
          wait: z
            .number()
            .int()
            .min(0)
            .max(MAX_WAIT_S)
            .optional()
            .openapi({ description: "Seconds to wait for a row when there is none yet" }),
          follow: z
            .enum(["true", "false"])
            .optional()
            .openapi({ description: "Of a text: also what is written until the log ends" }),
        }),
      },
      responses: {
        200: {
          description: "A page of rows, or a text",
          content: {
            "application/json": { schema: z.object({ message: z.string(), data: logPage }) },
            "text/plain": { schema: z.string() },
          },
        },
        ...refused("INVALID_PARAMETERS", "COMMAND_NOT_FOUND", "FILE_NOT_FOUND"),
      },
    }),
  );
  registry.registerPath(
    createRoute({
      method: "get",
      path: "/commands/{id}/content",
      operationId: "getCommandContent",
      tags: ["Commands"],
      summary: "What a command brought down",
      description:
        "The bytes of a downlink (headers as on files/downlink; `Range` and `If-Range` are understood), the JSON array of a long listing, or the JSON of a result that is too long for the command itself. Kept for 24 hours.",
      security,
      request: { params: id, headers: range },
      responses: {
        200: { description: "The bytes", content },
        206: partAnswer,
        302: redirectAnswer,
        ...refused("COMMAND_NOT_FOUND", "FILE_NOT_FOUND", "RANGE_NOT_SATISFIABLE"),
      },
    }),
  );
  registry.registerPath(
    createRoute({
      method: "delete",
      path: "/commands/{id}/content",
      operationId: "deleteCommandContent",
      tags: ["Commands"],
      summary: "Delete what a command brought down",
      description:
        "Who has the bytes may let go of them: until then, or for 24 hours, they count towards the quota. Repeating it is harmless.",
      security,
      request: { params: id },
      responses: {
        200: json(z.object({ message: z.string() }), "Deleted"),
        ...refused("COMMAND_NOT_FOUND", "FILE_NOT_FOUND"),
      },
    }),
  );
  registry.registerPath(
    createRoute({
      method: "post",
      path: "/commands/{id}/cancel",
      operationId: "cancelCommand",
      tags: ["Commands"],
      summary: "Cancel a command",
      description: "One that waits ends at once. A running one is stopped by the edge: its state says when.",
      security,
      request: { params: id },
      responses: {
        200: json(one, "Cancelled"),
        202: json(one, "The edge was asked to stop it"),
        ...refused("COMMAND_NOT_FOUND", "NOT_CANCELLABLE"),
      },
    }),
  );
  const holds = [
    {
      verb: "hold",
      operationId: "holdCommand",
      summary: "Hold a command that waits",
      description:
        "It gets no place until it is released, and expires as any. It counts as waiting, and is in nobody's way. What is behind it in its pipeline waits with it.",
      codes: ["COMMAND_NOT_FOUND", "NOT_HOLDABLE"],
    },
    {
      verb: "release",
      operationId: "releaseCommand",
      summary: "Release a held command",
      description: "It waits again, as one that came just now. One that is not held stays as it is.",
      codes: ["COMMAND_NOT_FOUND"],
    },
  ] as const;
  for (const { verb, codes, ...of } of holds) {
    registry.registerPath(
      createRoute({
        method: "post",
        path: `/commands/{id}/${verb}`,
        tags: ["Commands"],
        ...of,
        security,
        request: { params: id },
        responses: { 200: json(one, "The command as it stands"), ...refused(...codes) },
      }),
    );
  }
}
