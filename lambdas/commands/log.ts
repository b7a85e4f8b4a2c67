import type { Context, Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { RowPage } from "../logs/log-rows.ts";
import type { CommandRowsOptions } from "./command-rows.ts";
import { textAnswer, wantsText } from "./log-text.ts";
import { MAX_WAIT_S, once, wholeNumber } from "./query.ts";

export type CommandLogDeps = {
  ledger: Pick<Ledger, "command">;
  rows(command: Command, options: CommandRowsOptions): Promise<RowPage>;
  /** ms that the process has for its request (default: without end) */
  timeLeftMs?: (() => number) | undefined;
};

/** `GET /commands/{id}/log?after=&limit=&wait=`: rows of the log of a command (see rowsOf), or with `&follow=` their text. */
export function registerCommandLog(app: Hono<GroundEnv>, deps: CommandLogDeps): void {
  app.get("/commands/:id/log", async (c) => {
    const options = rowOptions(c);
    const follows = followsIn(c);
    const command = await deps.ledger.command(c.get("user"), c.req.param("id"));
    const page = await deps.rows(command, { ...options, signal: c.req.raw.signal });
    const how = { follows, timeLeftMs: deps.timeLeftMs };
    if (wantsText(c)) return textAnswer(page, (more) => deps.rows(command, more), how);
    return c.json({ message: "Successfully fetched log", data: page }, 200);
  });
}

/** @throws INVALID_PARAMETERS */
function followsIn(c: Context): boolean {
  const given = once(c, "follow") ?? "false";
  if (given !== "true" && given !== "false") {
    throw new PerigeeError("INVALID_PARAMETERS", "follow: must be true or false");
  }
  return given === "true";
}

function rowOptions(c: Context): CommandRowsOptions {
  return {
    after: wholeNumber("after", once(c, "after") ?? "0", 0, Number.MAX_SAFE_INTEGER),
    limit: wholeNumber("limit", once(c, "limit") ?? "1000", 1, LIMITS.logRows),
    waitMs: wholeNumber("wait", once(c, "wait") ?? "0", 0, MAX_WAIT_S) * 1000,
  };
}
