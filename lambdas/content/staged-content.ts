import { Readable } from "node:stream";
import type { Context } from "hono";
import type { Logger } from "pino";
import { downlinkKey, downlinkPrefix } from "../dispatch/staging-keys.ts";
import type { NodeBindings } from "../http/body-stream.ts";
import type { Command } from "../ledger/command.ts";
import type { Staging } from "../ports/staging.ts";

/** What streaming out of staging stands on. */
export type ContentDeps = { staging: Staging; log: Logger };
export type ContentContext = Pick<Context<{ Bindings: NodeBindings }>, "env" | "req">;

/** Opens object `n` that the agent staged for `command`. @throws FILE_NOT_FOUND when it is gone */
export async function openStaged(
  deps: ContentDeps,
  command: Command,
  n: number,
  range?: { start: number; end: number },
): Promise<{ body: Readable; size: number }> {
  return deps.staging.get(downlinkKey(command, n), range);
}

/**
 * Streams `body` as the answer. With `once`, what is staged of the command goes when all of it was handed to
 * the client; a client that hangs up before keeps it (it goes after a day).
 */
export function streamStaged(
  c: ContentContext,
  deps: ContentDeps,
  command: Command,
  body: Readable,
  options: { once: boolean; headers: Record<string, string>; status?: number },
): Response {
  if (options.once) {
    const remove = () => {
      deps.staging.deletePrefix(downlinkPrefix(command)).catch((error) => {
        deps.log.warn({ err: error, command: command.id }, "staged content stays until it is swept");
      });
    };
    const outgoing = c.env?.outgoing;
    if (outgoing) outgoing.once("close", () => outgoing.writableFinished && remove());
    else body.once("end", remove);
  }
  body.once("error", (error) => {
    deps.log.error({ err: error, command: command.id }, "staged content could not be read to its end");
  });
  const stream = Readable.toWeb(body) as ReadableStream<Uint8Array>;
  return new Response(stream, { status: options.status ?? 200, headers: options.headers });
}
