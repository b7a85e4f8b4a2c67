import type { Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import { GiB } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import * as wire from "#protocol/wire.ts";
import { downlinkKey, MANIFEST } from "../dispatch/staging-keys.ts";
import type { GroundEnv } from "../http/env.ts";
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
    const { staged } = command;
    if (request.get.length > 0 && staged === undefined) {
      throw new PerigeeError("INVALID_PARAMETERS", "get: the command has no files");
    }
    const get = request.get.map((n) =>
      staging.signGet(`${staged}${n === "manifest" ? MANIFEST : n}`, URL_SECONDS),
    );
    const left = request.put.length > 0 ? await transferBudget.left(command) : 0;
    const put = request.put.map(({ n, maxBytes, size = 0 }) => {
      if (size > staging.signedPut.mostBytes) throw tooLargeAtOnce(staging.signedPut.mostBytes);
      if (left <= 0 || size > left) throw byteQuotaExceeded();
      return staging.signPut(downlinkKey(command, n), URL_SECONDS, Math.min(maxBytes, left));
    });
    const { lengthNeeded } = staging.signedPut;
    return c.json({ get: await Promise.all(get), put: await Promise.all(put), lengthNeeded });
  });
}

function tooLargeAtOnce(bytes: number): PerigeeError {
  return new PerigeeError(
    "BODY_TOO_LARGE",
    `Over ${bytes / GiB} GiB do not come down at once: ask for the file in ranges`,
  );
}
