import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "pino";
import type { AgentConfig } from "./config.ts";
import type { GroundSession } from "./ground/ground-session.ts";
import type { Holdings } from "./open-holdings.ts";
import { canRunRunners, Runners } from "./runners/runners.ts";

type Deps = {
  config: AgentConfig;
  database: DatabaseSync;
  session: GroundSession;
  holdings: Pick<Holdings, "runtimes" | "sessions" | "images" | "addImageUser">;
  log: Logger;
};

/** The runners of this edge; undefined where its runtime cannot run them, or cannot start programs in them. */
export function openRunners({ config, database, session, holdings, log }: Deps): Runners | undefined {
  const { sessions, images } = holdings;
  const runtime = holdings.runtimes.main;
  if (!sessions || !canRunRunners(runtime, sessions)) return undefined;
  const { max, maxOfUser, maxCpus, scratchBytes, network, hostAddress, ports } = config.runners;
  const runners = new Runners(
    {
      database,
      runtime,
      sessions,
      resolveImage: (user, reference) => images.resolve(user, reference),
      ground: session,
      log,
    },
    {
      most: max,
      ...(maxOfUser !== undefined && { mostOfUser: maxOfUser }),
      ...(network === "open" && hostAddress !== undefined && { mostPorts: ports }),
      scratchMs: config.usageMs,
      bounds: { memoryBytes: config.pod.memoryBytes, maxCpus, scratchBytes, network },
    },
  );
  holdings.addImageUser((user, imageId) => runners.needsImage(user, imageId));
  session.onWishes(({ pools }) => runners.heard(pools));
  return runners;
}
