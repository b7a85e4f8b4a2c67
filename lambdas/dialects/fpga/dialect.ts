import { PerigeeError } from "#protocol/errors.ts";
import { matchesPath } from "../../http/path-patterns.ts";
import type { DialectCore } from "../core.ts";
import type { Dialect, DialectContext } from "../dialect.ts";
import { BASE, CHECKPOINT, OWN, PROJECTS, TOKENS } from "./base-path.ts";
import { authenticate as authenticated } from "./caller-of-request.ts";
import { completeRun } from "./complete-run.ts";
import { onEnd } from "./ends.ts";
import { errors } from "./errors.ts";
import { heldImages } from "./held-images.ts";
import { holdings } from "./holdings.ts";
import { imageHealth } from "./image-health.ts";
import { FPGA_LANE, PINS } from "./lane.ts";
import { OBS_PORT } from "./obs-port.ts";
import { partsOf } from "./parts.ts";
import { removed } from "./removed.ts";
import { mount } from "./routes.ts";
import { sweepPins } from "./store/sweep-pins.ts";

/** ms between the times that a server looks for images whose worker died. */
const LOOK_MS = 60_000;
const LISTS = ["detail", "associations"];

/** The API for FPGA images. Off unless it is named. */
export const fpga: Dialect = {
  name: "fpga",
  lanes: [FPGA_LANE],
  paths: [`${BASE}/*`, CHECKPOINT, TOKENS, PROJECTS, `${OWN}/*`],
  open: [TOKENS],
  authenticate,
  mount,
  errors,
  describe: async () => (await import("./documentation.ts")).documentFpga,
  unknown,
  bounds: { openPerUser: 200 },
  onEnd,
  holdings,
  removed,
  settings: [OBS_PORT],
  listeners: async (core) => (await import("./on-server.ts")).objectStoreListeners(partsOf(core)),
  completeRun,
  agentRoutes: heldImages,
  async janitor(core) {
    await partsOf(core).work.round();
    await sweepPins(core, await partsOf(core).uploads.sweep());
  },
  background(core) {
    const { work } = partsOf(core);
    void work.wake();
    const timer = setInterval(() => void work.wake(), LOOK_MS);
    return {
      close() {
        clearInterval(timer);
        return work.close();
      },
    };
  },
  bytesOf: (core, user) => partsOf(core).userObjects.bytes(user),
  stagingPrefixes: [{ prefix: PINS }],
  work: (core) => partsOf(core).work.round(),
  health: imageHealth,
  keepsObjects: true,
};

/** Who asks; before that, the lists are told apart from images: their paths look alike. */
async function authenticate(c: DialectContext, core: DialectCore): Promise<string> {
  if (isList(c) && c.req.method !== "GET" && c.req.method !== "HEAD") throw notAllowed(c, ["GET"]);
  return authenticated(c, core);
}

/** Nothing is at a path, or not for the method; what can be asked there is told to everybody. */
function unknown(c: DialectContext, allow: readonly string[]): Response {
  const error =
    allow.length === 0
      ? new PerigeeError("NOT_FOUND", `There is no route ${c.req.method} ${c.req.path}`)
      : notAllowed(c, isList(c) ? ["GET"] : allow);
  return errors(error.toFailure(), undefined, c.req.raw);
}

const isList = (c: DialectContext) => LISTS.some((name) => matchesPath(`${BASE}/${name}`, c.req.path));

function notAllowed(c: DialectContext, allow: readonly string[]): PerigeeError {
  const message = `${c.req.path} takes ${allow.join(", ")}`;
  return new PerigeeError("METHOD_NOT_ALLOWED", message, { data: { allow: [...allow] } });
}
