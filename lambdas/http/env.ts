import type { HttpBindings } from "@hono/node-server";

/** What routes find in Hono's context: the Node request under the server, the user or edge after their check. */
export type GroundEnv = {
  Bindings: Partial<HttpBindings>;
  Variables: {
    /** name of the authenticated user */
    user: string;
    /** edge of the authenticated agent */
    edge: string;
  };
};
