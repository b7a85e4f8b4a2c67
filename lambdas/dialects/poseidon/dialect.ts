import type { DialectCore } from "../core.ts";
import type { Dialect } from "../dialect.ts";
import { authenticate } from "./caller.ts";
import { holdings } from "./holdings.ts";
import { errors, unknown } from "./refusals.ts";
import { removed } from "./removed.ts";
import { BASE, mount, OPEN } from "./routes.ts";
import { openUser, SETTINGS } from "./settings.ts";
import { PoseidonTokens } from "./tokens.ts";
import { upgrade } from "./upgrade.ts";

/** Poseidon's API: execution environments, runners out of prewarmed pools, their files, and live executions. */
export const poseidon: Dialect = {
  name: "poseidon",
  // stays empty: nothing of this API is a command
  lanes: [
    {
      name: "poseidon",
      width: 1,
      fixedWidth: true,
      order: "first-come",
      bounds: { queuePerEdge: 1, queuePerUser: 1 },
    },
  ],
  paths: [`${BASE}/*`],
  open: OPEN,
  authenticate,
  mount,
  errors,
  describe: async () => (await import("./documentation.ts")).documentPoseidon,
  unknown,
  bounds: { openPerUser: 500, bodyIdleMs: 15_000 },
  routedPath: (path) => path,
  upgrade,
  background(core) {
    const told = tellOpenMode(core);
    return { close: () => told };
  },
  removed,
  holdings,
  tokens: (records) => new PoseidonTokens(records),
  settings: SETTINGS,
};

async function tellOpenMode(core: DialectCore): Promise<void> {
  const user = openUser(core);
  if (user === undefined) return;
  try {
    if (await core.users.find(user)) core.log.info({ user }, "Poseidon's API asks for no token");
    else
      core.log.warn({ user }, "PERIGEE_POSEIDON_OPEN_USER names no user: requests get 401 until it exists");
  } catch (error) {
    core.log.error({ err: error }, "the user of Poseidon's open mode could not be read");
  }
}
