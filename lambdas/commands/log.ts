import type { Context, Hono } from "hono";
import { LIMITS } from "#protocol/limits.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { RowPage } from "../logs/log-rows.ts";
import type { CommandRowsOptions } from "./command-rows.ts";
import { MAX_WAIT_S, once, wholeNumber } from "./query.ts";

export type CommandLogDeps = {
  ledger: Pick<Ledger, "command">;
  rows(command: Command, options: CommandRowsOptions): Promise<RowPage>;
};

/** `GET /commands/{id}/log?after=&limit=&wait=`: rows of the log of a command (see rowsOf). */
export function registerCommandLog(app: Hono<GroundEnv>, deps: CommandLogDeps): void {
  app.get("/commands/:id/log", async (c) => {
    const options = rowOptions(c);
    const command = await deps.ledger.command(c.get("user"), c.req.param("id"));
    const page = await deps.rows(command, { ...options, signal: c.req.raw.signal });
    return c.json({ message: "Successfully fetched log", data: page }, 200);
  });
}

function rowOptions(c: Context): CommandRowsOptions {
  return {
    after: wholeNumber("after", once(c, "after") ?? "0", 0, Number.MAX_SAFE_INTEGER),
    limit: wholeNumber("limit", once(c, "limit") ?? "1000", 1, LIMITS.logRows),
    waitMs: wholeNumber("wait", once(c, "wait") ?? "0", 0, MAX_WAIT_S) * 1000,
  };
}
