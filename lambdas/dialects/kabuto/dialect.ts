import type { Dialect, DialectContext } from "../dialect.ts";
import { admits } from "./admits.ts";
import { keepContent, onEnd } from "./ends.ts";
import { holdings } from "./holdings.ts";
import { cleanUp } from "./janitor.ts";
import { LANES } from "./lanes.ts";
import { authenticate } from "./log-in.ts";
import { logins } from "./logins.ts";
import { errors, statusAnswer } from "./refusals.ts";
import { removed } from "./removed.ts";
import { mount, OPEN } from "./routes.ts";
import { SETTINGS } from "./settings.ts";

/** Kabuto's API: images from Dockerfiles, and jobs in pipelines, many at once. No answer waits for the edge. */
export const kabuto: Dialect = {
  name: "kabuto",
  lanes: LANES,
  paths: ["/", "/register/*", "/login/*", "/logout/*", "/image/*", "/pipeline/*", "/jobs/*", "/execution/*"],
  open: OPEN,
  authenticate,
  admits,
  mount,
  errors,
  describe: async () => (await import("./documentation.ts")).documentKabuto,
  unknown,
  keepContent,
  onEnd,
  holdings,
  removed,
  janitor: cleanUp,
  logins,
  settings: SETTINGS,
};

/** Nothing is at a path, or not for the method; what can be asked there is told to everybody. */
function unknown(c: DialectContext, allow: readonly string[]): Response {
  if (allow.length === 0) return statusAnswer(404);
  const methods = [...new Set([...allow, ...(allow.includes("GET") ? ["HEAD"] : []), "OPTIONS"])].sort();
  const headers = { allow: methods.join(", ") };
  if (c.req.method === "OPTIONS")
    return new Response(null, { headers: { ...headers, "content-length": "0" } });
  return statusAnswer(405, headers);
}
