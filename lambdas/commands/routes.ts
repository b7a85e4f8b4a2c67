import type { Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import type { ResultOf, StagedContent } from "#protocol/operations.ts";
import { isTerminal, STATES, type State } from "#protocol/state.ts";
import { stagedFileAnswer } from "../content/file-answer.ts";
import { type ContentDeps, openStaged, streamStaged } from "../content/staged-content.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { downlinkPrefix, resultKey } from "../dispatch/staging-keys.ts";
import type { Waiting } from "../dispatch/waiting.ts";
import type { GroundEnv } from "../http/env.ts";
import { SAFE_HEADERS } from "../http/safe-headers.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { StoredWindows } from "../windows/stored-windows.ts";
import { transferEnd } from "../windows/transfer-end.ts";
import { windowView } from "../windows/window-view.ts";
import { MAX_WAIT_S, once, wholeNumber } from "./query.ts";
import { standingOf } from "./standing.ts";
import { transferLeft } from "./transfer-left.ts";
import { commandView, hasContent, type TransferView } from "./view.ts";

export type CommandsParts = ContentDeps & {
  ledger: Ledger;
  dispatch: Pick<Dispatcher, "cancel" | "hold" | "release">;
  waiting: Waiting;
  windows: Pick<StoredWindows, "plan">;
  /** the ground's clock, ms since 1970 */
  now: () => number;
};

const JSON_TEXT = { "content-type": "application/json", ...SAFE_HEADERS };
const BYTES = { "content-type": "application/octet-stream", ...SAFE_HEADERS };

export const MAX_PAGE = 200;
/** Commands looked at for one page when a state is asked for: a page may come short, with `next` to go on. */
const MAX_SCAN = 1000;

/** Commands as a resource: what the user's calls became, by any dialect. Takes no lock. */
export function registerCommandRoutes(app: Hono<GroundEnv>, parts: CommandsParts): void {
  const { ledger, waiting, dispatch } = parts;
  const standing = (command: Command) => standingOf(ledger, command);

  app.get("/commands", async (c) => {
    const limit = wholeNumber("limit", once(c, "limit") ?? "50", 1, MAX_PAGE);
    const state = stateNamed(once(c, "state"));
    const user = c.get("user");
    const page: Command[] = [];
    let before = once(c, "before");
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
        if (!state || command.state === state) page.push(command);
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

  app.get("/commands/:id", async (c) => {
    const wait = wholeNumber("wait", once(c, "wait") ?? "0", 0, MAX_WAIT_S);
    let command = await ledger.command(c.get("user"), c.req.param("id"));
    if (wait > 0 && !isTerminal(command.state)) command = await waiting.forChange(command, wait * 1000);
    const [stands, transfer] = await Promise.all([standing(command), transferOf(parts, command)]);
    const data = commandView(command, { ...stands, ...(transfer && { transfer }) });
    return c.json({ message: "Successfully fetched command", data }, 200);
  });

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
      const { content } = command.result as { content: StagedContent };
      const { body, size } = await openStaged(parts, command, content);
      const type = command.operation === "volume.chunks" ? BYTES : JSON_TEXT;
      const headers = { ...type, "content-length": String(size) };
      return streamStaged(c, parts, command, body, { once: false, headers });
    }
    const { listing } = (command.result ?? {}) as { listing?: string };
    if (listing !== undefined) return c.body(listing, 200, JSON_TEXT);
    throw new PerigeeError("FILE_NOT_FOUND", "The command brought nothing down, or not yet");
  });

  app.delete("/commands/:id/content", async (c) => {
    const command = await ledger.command(c.get("user"), c.req.param("id"));
    const brought = command.operation === "volume.read" || command.operation === "volume.chunks";
    if (!brought || !hasContent(command)) {
      throw new PerigeeError("FILE_NOT_FOUND", "The command brought nothing down, or not yet");
    }
    await parts.staging.deletePrefix(downlinkPrefix(command));
    return c.json({ message: "Content deleted" }, 200);
  });

  app.post("/commands/:id/cancel", async (c) => {
    const command = await dispatch.cancel(c.get("user"), c.req.param("id"));
    const data = commandView(command, await standing(command));
    return command.state === "running"
      ? c.json({ message: "Cancel requested", data }, 202)
      : c.json({ message: "Command cancelled", data }, 200);
  });

  app.post("/commands/:id/hold", async (c) => {
    const command = await dispatch.hold(c.get("user"), c.req.param("id"));
    return c.json({ message: "Command held", data: commandView(command, await standing(command)) }, 200);
  });

  app.post("/commands/:id/release", async (c) => {
    const command = await dispatch.release(c.get("user"), c.req.param("id"));
    return c.json({ message: "Command released", data: commandView(command, await standing(command)) }, 200);
  });
}

/** What is left of a command's transfer, and in which window it is expected to end. */
async function transferOf(
  { ledger, windows, now }: Pick<CommandsParts, "ledger" | "windows" | "now">,
  command: Command,
): Promise<TransferView | undefined> {
  const left = transferLeft(command);
  if (!left) return undefined;
  const at = now();
  const [plan, beat] = await Promise.all([windows.plan(command.edge), ledger.lastHeartbeat(command.edge)]);
  const measuredBps = left.direction === "downlink" ? beat?.downlinkBps : beat?.uplinkBps;
  const end = transferEnd(plan?.windows ?? [], at, { ...left, measuredBps });
  return {
    direction: left.direction,
    bytes_left: left.bytes,
    ends_at: end ? new Date(end.at).toISOString() : null,
    window: end ? windowView(end.window, at) : null,
  };
}

/** @throws INVALID_PARAMETERS */
function stateNamed(text: string | undefined): State | undefined {
  const state = STATES.find((state) => state === text);
  if (text !== undefined && !state) {
    throw new PerigeeError("INVALID_PARAMETERS", `state: must be one of ${STATES.join(", ")}`);
  }
  return state;
}
