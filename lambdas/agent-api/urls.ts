import type { Context, Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { GiB } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import * as wire from "#protocol/wire.ts";
import { downlinkKey, downlinkPrefix, MANIFEST } from "../dispatch/staging-keys.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { body } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";

/** Signed URLs live this long; the agent asks again when one has expired. */
const URL_SECONDS = 15 * 60;

/** POST /agent/urls: where the agent reads and writes the objects of a command that it runs. */
export function registerUrls(app: Hono<GroundEnv>, parts: AgentApiDeps): void {
  const { ledger, staging } = parts;
  app.post("/urls", async (c) => {
    const request = await body(c, wire.urlsRequest);
    const command = await running(c, ledger, request);
    const { staged } = command;
    if (request.get.length > 0 && staged === undefined) {
      throw new PerigeeError("INVALID_PARAMETERS", "get: the command has no files");
    }
    const get = request.get.map((n) =>
      staging.signGet(`${staged}${n === "manifest" ? MANIFEST : n}`, URL_SECONDS),
    );
    const left = request.put.length > 0 ? await leftInStaging(parts, command) : 0;
    const put = request.put.map(({ n, maxBytes, size = 0 }) => {
      if (size > staging.signedPut.mostBytes) throw tooLargeAtOnce(staging.signedPut.mostBytes);
      if (left <= 0 || size > left) throw byteQuotaExceeded();
      return staging.signPut(downlinkKey(command, n), URL_SECONDS, Math.min(maxBytes, left));
    });
    const { lengthNeeded } = staging.signedPut;
    return c.json({ get: await Promise.all(get), put: await Promise.all(put), lengthNeeded });
  });
}

/** Bytes that may still come down for the command's user: what came down before stays until it is given or old. */
async function leftInStaging({ staging, quota }: AgentApiDeps, command: Command): Promise<number> {
  const [all, own] = await Promise.all([
    staging.usage(`downlink/${command.user}/`),
    // of an earlier try of this command: it is written anew
    staging.usage(downlinkPrefix(command)),
  ]);
  return quota - (all - own);
}

function tooLargeAtOnce(bytes: number): PerigeeError {
  return new PerigeeError(
    "BODY_TOO_LARGE",
    `Over ${bytes / GiB} GiB do not come down at once: ask for the file in ranges`,
  );
}

/** The command that this agent runs under its epoch. @throws STALE_EPOCH, COMMAND_NOT_FOUND */
async function running(
  c: Context<GroundEnv>,
  ledger: Ledger,
  of: { epoch: number; user: string; command: string },
): Promise<Command> {
  const [, command] = await Promise.all([
    ledger.requireEpoch(c.get("edge"), of.epoch),
    ledger.command(of.user, of.command),
  ]);
  if (command.edge !== c.get("edge") || command.state !== "running") {
    throw new PerigeeError("COMMAND_NOT_FOUND", `There is no running command ${of.command}`);
  }
  return command;
}
