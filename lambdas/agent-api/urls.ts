import type { Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { GiB } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import * as wire from "#protocol/wire.ts";
import { downlinkKey, MANIFEST } from "../dispatch/staging-keys.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { Staging } from "../ports/staging.ts";
import { body } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";
import { running } from "./running.ts";

/** Signed URLs live this long; the agent asks again when one has expired. */
const URL_SECONDS = 15 * 60;

/** POST /agent/urls: where the agent reads and writes the objects of a command that it runs. */
export function registerUrls(app: Hono<GroundEnv>, parts: AgentApiDeps): void {
  const { ledger, staging, transferBudget } = parts;
  app.post("/urls", async (c) => {
    const request = await body(c, wire.urlsRequest);
    const command = await running(c, ledger, request);
    const get = await signFiles(staging, command, request.get);
    if (request.get.length > 0 && !get) {
      throw new PerigeeError("INVALID_PARAMETERS", "get: the command has no files");
    }
    const left = request.put.length > 0 ? await transferBudget.left(command) : 0;
    const put = request.put.map(({ n, maxBytes, size = 0 }) => {
      if (size > staging.signedPut.mostBytes) throw tooLargeAtOnce(staging.signedPut.mostBytes);
      if (left <= 0 || size > left) throw byteQuotaExceeded();
      return staging.signPut(downlinkKey(command, n), URL_SECONDS, Math.min(maxBytes, left));
    });
    const { lengthNeeded } = staging.signedPut;
    return c.json({ get: get ?? [], put: await Promise.all(put), lengthNeeded });
  });
}

/** URLs by which the agent reads staged files of a command; undefined of one that has none. */
export async function signFiles(
  staging: Pick<Staging, "signGet">,
  { staged }: Pick<Command, "staged">,
  wanted: readonly ("manifest" | number)[],
): Promise<string[] | undefined> {
  if (staged === undefined) return undefined;
  const keys = wanted.map((n) => `${staged}${n === "manifest" ? MANIFEST : n}`);
  return Promise.all(keys.map((key) => staging.signGet(key, URL_SECONDS)));
}

function tooLargeAtOnce(bytes: number): PerigeeError {
  return new PerigeeError(
    "BODY_TOO_LARGE",
    `Over ${bytes / GiB} GiB do not come down at once: ask for the file in ranges`,
  );
}
