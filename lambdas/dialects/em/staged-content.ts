import { Readable } from "node:stream";
import { downlinkKey, downlinkPrefix } from "../../dispatch/staging-keys.ts";
import type { Command } from "../../ledger/command.ts";
import type { EmContext, EmDeps } from "./deps.ts";

/** Opens object `n` that the agent staged for `command`. @throws FILE_NOT_FOUND when it is gone */
export async function openStaged(
  deps: EmDeps,
  command: Command,
  n: number,
): Promise<{ body: Readable; size: number }> {
  return deps.staging.get(downlinkKey(command, n));
}

/**
 * Streams `body` as the answer. With `once`, what is staged of the command goes when all of it was handed to
 * the client; a client that hangs up before keeps it (it goes after a day).
 */
export function streamStaged(
  c: EmContext,
  deps: EmDeps,
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
