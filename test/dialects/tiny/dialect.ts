import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { authenticate } from "./authenticate.ts";
import { errors } from "./errors.ts";
import { onEnd, removed } from "./jobs.ts";
import { noteBeat, notes } from "./notes.ts";
import { mount, mountListener } from "./routes.ts";
import { upgrade } from "./upgrade.ts";

/** A dialect that uses most of what a dialect may have, as small as it goes: what it leaves out, the five dialects use. */
export const tiny: Dialect = {
  name: "tiny",
  lanes: [{ name: "tiny", width: 8, order: "round-robin", bounds: { queuePerEdge: 50, queuePerUser: 20 } }],
  paths: ["/tiny/*"],
  open: ["/tiny/hello"],
  authenticate,
  mount,
  errors,
  describe: async () => (await import("./documentation.ts")).documentTiny,
  unknown: (c, allow) => c.text(allow.length > 0 ? `only ${allow.join(", ")}` : "nothing is here", 418),
  bounds: { openPerUser: 2, bodyIdleMs: 3_000 },
  routedPath: (path) => path,
  listeners: (core) => [{ name: "tiny", port: 0, app: mountListener(core) }],
  upgrade,
  agentRoutes(app, core) {
    app.post("/note", async (c) => {
      await core.records.transact([{ put: { pk: "agent", sk: c.get("edge"), data: await c.req.json() } }]);
      return c.json({ noted: c.get("edge") });
    });
  },
  janitor: (core) => core.records.transact([{ put: { pk: "rounds", sk: "last", data: { at: core.now() } } }]),
  background(core) {
    const started = noteBeat(core, "started");
    return {
      async close() {
        await started;
        await noteBeat(core, "closed");
      },
    };
  },
  removed,
  onEnd,
  stagingPrefixes: [{ prefix: notes }],
};
