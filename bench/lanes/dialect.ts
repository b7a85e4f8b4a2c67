import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { failureResponse } from "#lambdas/http/errors.ts";

export const WIDTHS = { wide: 8, narrow: 1 } as const;

const bounds = { queuePerEdge: 200, queuePerUser: 200 };

/** Two lanes of different width, and a route for each that runs one command and answers at its end. */
export const lanes: Dialect = {
  name: "bench",
  lanes: Object.entries(WIDTHS).map(([name, width]) => ({ name, width, order: "round-robin", bounds })),
  paths: ["/bench/*"],
  bounds: { openPerUser: 200 },
  authenticate: async () => "bench",
  mount(app, core) {
    app.post("/bench/:lane/:volume", async (c) => {
      const { lane, volume } = c.req.param();
      const answer = await core.dispatch.run({
        user: c.get("user"),
        edge: "em1",
        lane,
        operation: "volume.delete",
        input: { volume, path: "x" },
        admission: "queue",
        wait: { kind: "end" },
      });
      return c.json({ kind: answer.kind });
    });
  },
  errors: failureResponse,
  describe: async () => () => {},
};
