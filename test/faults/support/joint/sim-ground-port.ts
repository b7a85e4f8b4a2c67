import type { GroundPort } from "#agent/ground/ground-client.ts";
import { Link } from "#agent/ground/link.ts";
import * as wire from "#protocol/wire.ts";
import type { Reached, SimNetwork } from "./sim-network.ts";

/**
 * What every agent says to its ground, over a network that fails. All else is not expected.
 * @param believed is told of an answer to what an agent says that is not the newest
 */
export function simGroundPort<Ground extends Reached>(
  network: SimNetwork<Ground>,
  believed: (epoch: number) => void,
): GroundPort {
  const post = (path: string, body: { epoch?: number }) => network.request(path, body, believed);
  const unexpected = () => Promise.reject(new Error("not expected here"));
  return {
    link: new Link(),
    start: async (body) => wire.startResponse.parse(await post("/start", body as object)),
    claimMany: async (body) => wire.claimResponse.parse(await post("/claim", body)),
    progressMany: async (body) => wire.progressManyResponse.parse(await post("/progress", body)),
    report: async (body) => wire.reportResponse.parse(await post("/report", body)).more,
    heartbeat: async (body) => wire.heartbeatResponse.parse(await post("/heartbeat", body)),
    ...{ claim: unexpected, progress: unexpected, urls: unexpected, pods: unexpected, logs: unexpected },
    ...{
      inventory: unexpected,
      fpgaHeld: unexpected,
      offer: unexpected,
      wantedPools: unexpected,
      tellPools: unexpected,
      commandLogs: unexpected,
    },
    windowPlan: unexpected,
    ...{ transfer: unexpected, transferParts: unexpected, completeTransfer: unexpected },
    ...{ get: unexpected, download: unexpected, put: unexpected, close: () => undefined },
  };
}
