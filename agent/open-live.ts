import type { Logger } from "pino";
import { LIVE_FEATURES } from "#protocol/live-control.ts";
import type { AgentConfig } from "./config.ts";
import type { GroundSession } from "./ground/ground-session.ts";
import { allTargets } from "./live/all-targets.ts";
import { LiveClient } from "./live/live-client.ts";
import type { LiveTargets } from "./live/live-target.ts";
import { PodTargets } from "./live/pod-targets.ts";
import type { Holdings } from "./open-holdings.ts";

type Deps = {
  ground: { url: string; token: string };
  config: AgentConfig;
  session: GroundSession;
  holdings: Pick<Holdings, "pods" | "sessions">;
  /** where this edge has them */
  runners?: LiveTargets;
  log: Logger;
};

/**
 * Live sessions of this edge: what it can do of them, told at its start, and the sockets that the ground wishes for. An
 * edge whose runtime cannot start programs in running pods has none.
 */
export function openLive({ ground, config, session, holdings, runners, log }: Deps) {
  const { pods, sessions } = holdings;
  const can = sessions.features;
  if (can.length === 0) return { features: [], close: async () => {} };
  const execInPods = config.live.exec && can.includes("exec");
  const client = new LiveClient({
    ground,
    epoch: () => session.epoch,
    sessions,
    targets: allTargets({ pods: new PodTargets(pods), runners }),
    execInPods,
    log,
  });
  session.onWishes(({ live }) => client.wished(live));
  return {
    features: [LIVE_FEATURES.live, ...(execInPods ? [LIVE_FEATURES.exec] : [])],
    close: () => client.close(),
  };
}
