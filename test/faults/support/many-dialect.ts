import * as z from "zod";
import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { failureResponse } from "#lambdas/http/errors.ts";
import { OPERATION_NAMES, type OperationName } from "#protocol/operations.ts";

const asked = z.object({
  /** the same key makes the same commands, once */
  key: z.string(),
  commands: z.array(
    z.object({
      operation: z.enum(OPERATION_NAMES as [OperationName, ...OperationName[]]),
      input: z.unknown(),
    }),
  ),
});

/** A dialect that queues whatever it is asked for, many commands at once, in a lane of width 8. */
export const many: Dialect = {
  name: "many",
  lanes: [{ name: "many", width: 8, order: "round-robin", bounds: { queuePerEdge: 200, queuePerUser: 100 } }],
  paths: ["/many"],
  authenticate: async (c, core) => (await core.users.ofBearer(c)).name,
  mount(app, core) {
    app.post("/many", async (c) => {
      const { key, commands } = asked.parse(await c.req.json());
      const user = c.get("user");
      const edge = await core.resolveEdge(user, undefined);
      const drafts = commands.map((command) => ({ user, edge, lane: "many", ...command }));
      const submitted = await core.dispatch.submitMany(drafts, { key, route: "many", digest: key });
      return c.json({ ids: submitted.commands.map(({ id }) => id) }, 202);
    });
  },
  errors: failureResponse,
  describe: async () => () => {},
};
