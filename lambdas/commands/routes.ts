import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { PerigeeError } from "#protocol/errors.ts";
import type { ResultOf } from "#protocol/operations.ts";
import { isTerminal, STATES } from "#protocol/state.ts";
import { stagedFileAnswer } from "../content/file-answer.ts";
import { type ContentDeps, openStaged, streamStaged } from "../content/staged-content.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { downlinkPrefix, resultKey } from "../dispatch/staging-keys.ts";
import type { Waiting } from "../dispatch/waiting.ts";
import type { GroundEnv } from "../http/env.ts";
import { SAFE_HEADERS } from "../http/safe-headers.ts";
import type { Command } from "../ledger/command.ts";
import { ahead } from "../ledger/edge-state.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { commandView, hasContent, type Standing } from "./view.ts";

export type CommandsParts = ContentDeps & {
  ledger: Ledger;
  dispatch: Pick<Dispatcher, "cancel">;
  waiting: Waiting;
};

const JSON_TEXT = { "content-type": "application/json", ...SAFE_HEADERS };

/** The longest `wait` of GET /commands/{id}, in seconds. */
const MAX_WAIT_S = 60;
const MAX_PAGE = 200;
/** Commands looked at for one page when a state is asked for: a page may come short, with `next` to go on. */
const MAX_SCAN = 1000;

const view = z
  .object({
    command_id: z.string().openapi({ example: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F" }),
    operation: z.string().openapi({ example: "volume.uplink" }),
    edge: z.string(),
    state: z.enum(STATES),
    input: z.unknown(),
    position: z.number().int().optional().openapi({ description: "1 = next to run; only while queued" }),
    contact: z.enum(["ok", "lost"]).optional().openapi({ description: "only while running" }),
    progress: z.unknown().optional(),
    attempts: z.number().int(),
    created_at: z.string(),
    queued_at: z.string().optional(),
    claimed_at: z.string().optional(),
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
const problem = z.object({ error: z.string(), message: z.string() }).openapi("Error");

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { "application/json": { schema } },
});
const one = z.object({ message: z.string(), data: view });
const id = z.object({ id: z.string().openapi({ description: "ULID of the command" }) });
const security = [{ bearer: [] }];

/** Commands as a resource: what the user's calls became, by any dialect. Takes no lock. */
export function registerCommandRoutes(app: OpenAPIHono<GroundEnv>, parts: CommandsParts): void {
  const { ledger, waiting, dispatch } = parts;

  const list = createRoute({
    method: "get",
    path: "/commands",
    tags: ["Commands"],
    summary: "Own commands, newest first",
    security,
    request: {
      query: z.object({
        limit: z
          .string()
          .optional()
          .openapi({ description: `1 to ${MAX_PAGE}, default 50` }),
        before: z.string().optional().openapi({ description: "`next` of the page before" }),
        state: z.enum(STATES).optional(),
      }),
    },
    responses: {
      200: json(
        z.object({ message: z.string(), data: z.array(view), next: z.string().optional() }),
        "A page",
      ),
      400: json(problem, "INVALID_PARAMETERS"),
      401: json(problem, "UNAUTHORIZED"),
    },
  });
  app.openapi(list, async (c) => {
    const query = c.req.valid("query");
    const limit = wholeNumber("limit", query.limit ?? "50", 1, MAX_PAGE);
    const user = c.get("user");
    const page: Command[] = [];
    let before = query.before;
    let seen = 0;
    let more = true;
    while (page.length < limit && more && seen < MAX_SCAN) {
      const batch = await ledger.commands(user, { limit, ...(before && { before }) });
      seen += batch.length;
      more = batch.length === limit;
      for (const command of batch) {
        if (page.length === limit) {
          more = true;
          break;
        }
        before = command.id;
        if (!query.state || command.state === query.state) page.push(command);
      }
    }
    const data = await Promise.all(
      page.map(async (command) => commandView(command, await standing(command))),
    );
    return c.json(
      { message: "Successfully listed commands", data, ...(more && before && { next: before }) },
      200,
    );
  });

  const get = createRoute({
    method: "get",
    path: "/commands/{id}",
    tags: ["Commands"],
    summary: "One command",
    description: "With `wait` it answers when the command changes, or after that many seconds.",
    security,
    request: {
      params: id,
      query: z.object({
        wait: z
          .string()
          .optional()
          .openapi({ description: `seconds, 0 to ${MAX_WAIT_S}` }),
      }),
    },
    responses: {
      200: json(one, "The command"),
      400: json(problem, "INVALID_PARAMETERS"),
      401: json(problem, "UNAUTHORIZED"),
      404: json(problem, "COMMAND_NOT_FOUND"),
    },
  });
  app.openapi(get, async (c) => {
    const wait = wholeNumber("wait", c.req.valid("query").wait ?? "0", 0, MAX_WAIT_S);
    let command = await ledger.command(c.get("user"), c.req.valid("param").id);
    if (wait > 0 && !isTerminal(command.state)) command = await waiting.forChange(command, wait * 1000);
    return c.json(
      { message: "Successfully fetched command", data: commandView(command, await standing(command)) },
      200,
    );
  });

  const content = createRoute({
    method: "get",
    path: "/commands/{id}/content",
    tags: ["Commands"],
    summary: "What a command brought down",
    description:
      "The bytes of a downlink (headers as on files/downlink; `Range` and `If-Range` are understood), the JSON array of a long listing, or the JSON of a result that is too long for the command itself. Kept for 24 hours.",
    security,
    request: { params: id },
    responses: {
      200: { description: "The bytes", content: { "application/octet-stream": { schema: z.string() } } },
      206: { description: "A part of them" },
      401: json(problem, "UNAUTHORIZED"),
      404: json(problem, "COMMAND_NOT_FOUND, or FILE_NOT_FOUND: it has none, or no longer"),
      416: json(problem, "RANGE_NOT_SATISFIABLE"),
    },
  });
  // Not `openapi`: the answer is a stream, for which it has no type.
  app.openAPIRegistry.registerPath(content);
  app.get("/commands/:id/content", async (c) => {
    const command = await ledger.command(c.get("user"), c.req.param("id"));
    if (command.stagedResult !== undefined) {
      const { body, size } = await parts.staging.get(resultKey(command));
      const headers = { ...JSON_TEXT, "content-length": String(size) };
      return streamStaged(c, parts, command, body, { once: false, headers });
    }
    if (hasContent(command)) {
      if (command.operation === "volume.read") {
        return stagedFileAnswer(c, parts, command.result as ResultOf<"volume.read">, command);
      }
      const { n } = (command.result as { content: { n: number } }).content;
      const { body, size } = await openStaged(parts, command, n);
      const headers = { ...JSON_TEXT, "content-length": String(size) };
      return streamStaged(c, parts, command, body, { once: false, headers });
    }
    const { listing } = (command.result ?? {}) as { listing?: string };
    if (listing !== undefined) return c.body(listing, 200, JSON_TEXT);
    throw new PerigeeError("FILE_NOT_FOUND", "The command brought nothing down, or not yet");
  });

  const drop = createRoute({
    method: "delete",
    path: "/commands/{id}/content",
    tags: ["Commands"],
    summary: "Delete what a command brought down",
    description:
      "Who has the bytes may let go of them: until then, or for 24 hours, they count towards the quota. Repeating it is harmless.",
    security,
    request: { params: id },
    responses: {
      200: json(z.object({ message: z.string() }), "Deleted"),
      401: json(problem, "UNAUTHORIZED"),
      404: json(problem, "COMMAND_NOT_FOUND, or FILE_NOT_FOUND: it has brought nothing down"),
    },
  });
  app.openapi(drop, async (c) => {
    const command = await ledger.command(c.get("user"), c.req.valid("param").id);
    if (command.operation !== "volume.read" || !hasContent(command)) {
      throw new PerigeeError("FILE_NOT_FOUND", "The command brought nothing down, or not yet");
    }
    await parts.staging.deletePrefix(downlinkPrefix(command));
    return c.json({ message: "Content deleted" }, 200);
  });

  const cancel = createRoute({
    method: "post",
    path: "/commands/{id}/cancel",
    tags: ["Commands"],
    summary: "Cancel a command",
    description: "One that waits ends at once. A running one is stopped by the edge: its state says when.",
    security,
    request: { params: id },
    responses: {
      200: json(one, "Cancelled"),
      202: json(one, "The edge was asked to stop it"),
      401: json(problem, "UNAUTHORIZED"),
      404: json(problem, "COMMAND_NOT_FOUND"),
      409: json(problem, "NOT_CANCELLABLE: it has already ended"),
    },
  });
  app.openapi(cancel, async (c) => {
    const command = await dispatch.cancel(c.get("user"), c.req.valid("param").id);
    const data = commandView(command, await standing(command));
    return command.state === "running"
      ? c.json({ message: "Cancel requested", data }, 202)
      : c.json({ message: "Command cancelled", data }, 200);
  });

  async function standing(command: Command): Promise<Standing> {
    if (command.state === "queued")
      return { ahead: ahead(await ledger.edgeState(command.edge), command.id) ?? 0 };
    if (command.state === "running")
      return { contact: (await ledger.inContact(command.edge)) ? "ok" : "lost" };
    return {};
  }
}

/** @throws INVALID_PARAMETERS */
export function wholeNumber(field: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (!/^\d{1,15}$/.test(text) || number < min || number > max) {
    throw new PerigeeError("INVALID_PARAMETERS", `${field}: must be a whole number from ${min} to ${max}`);
  }
  return number;
}
