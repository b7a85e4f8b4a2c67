import type { Hono } from "hono";
import type { GroundEnv } from "../http/env.ts";
import type { RunnerPools } from "./runner-pools.ts";

export type RunnerRouteParts = { pools: Pick<RunnerPools, "list"> };

/** `GET /runners`: the user's own on all edges, and for 24 h those that ended, with why. Works without contact. */
export function registerRunnerRoutes(app: Hono<GroundEnv>, { pools }: RunnerRouteParts): void {
  app.get("/runners", async (c) => {
    const all = await pools.list(c.get("user"));
    // the janitor may not have come by yet for an earlier user of that name
    const runners = all.filter(({ since }) => since >= c.get("userSince"));
    return c.json({
      message: "Successfully fetched runners",
      data: runners.map(({ id, edge, environment, state, since, end, mappedPorts }) => ({
        id,
        edge,
        environment,
        state,
        since: new Date(since).toISOString(),
        end: end ?? null,
        ports: mappedPorts.map(({ exposedPort, hostAddress }) => ({
          exposed_port: exposedPort,
          host_address: hostAddress,
        })),
      })),
    });
  });
}
