import { failureResponse } from "../../http/errors.ts";
import { FIRST_LANE_OPTIONS } from "../../ledger/lane-options.ts";
import type { Dialect } from "../dialect.ts";
import { registerEmRoutes } from "./routes.ts";

/** The EM API: one command at a time, and 423 for whoever does not want to wait. */
export const em: Dialect = {
  name: "em",
  lanes: [FIRST_LANE_OPTIONS],
  paths: ["/em/*"],
  authenticate: async (c, core) => (await core.users.ofBearer(c)).name,
  mount: registerEmRoutes,
  errors: failureResponse,
  describe: async () => (await import("./documentation.ts")).documentEmRoutes,
};
