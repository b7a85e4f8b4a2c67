import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import type { LegTimes } from "#protocol/leg-watch.ts";
import { LIVE_EPOCH } from "#protocol/live-control.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { bearerToken } from "../auth/identify.ts";
import { errorResponse } from "../http/errors.ts";
import type { Upgrade } from "../http/serve.ts";
import { isWebSocket } from "./is-web-socket.ts";
import type { LiveRelay } from "./relay/live-relay.ts";
import { RelayLeg } from "./relay/relay-leg.ts";
import { refuseUpgrade } from "./sockets/refuse-upgrade.ts";
import { upgradeSocket } from "./sockets/upgrade-socket.ts";

export type AgentUpgradeDeps = {
  relay: LiveRelay;
  accounts: { edgeOfToken(token: string): Promise<string | undefined> };
  ledger: { epochOf(edge: string): Promise<number> };
  log: Logger;
  times?: LegTimes;
};

/** `GET /agent/live`: an agent opens a socket for one session; its token and the present epoch are needed. */
export function agentUpgrade(deps: AgentUpgradeDeps): Upgrade {
  const { relay, log, times } = deps;
  return {
    accepts: (incoming) => isWebSocket(incoming, "/agent/live"),
    handle(incoming, socket, head) {
      const accept = async () => {
        const { edge, epoch } = await identified(incoming, deps);
        if (!relay.isHere) throw new PerigeeError("LIVE_UNAVAILABLE", "This server is not the relay");
        const messageBytes = LIVE_LIMITS.frameBytes + 1;
        await upgradeSocket(incoming, socket, head, { messageBytes }, (ws) =>
          relay.accept(edge, new RelayLeg(ws, socket as Socket, { epoch, ...(times && { times }) })),
        );
      };
      accept().catch((error: unknown) => {
        if (socket.destroyed) return;
        void refuseUpgrade(socket, errorResponse(error, { log }));
      });
    },
  };
}

/** @throws UNAUTHORIZED, STALE_EPOCH */
async function identified(
  { headers }: IncomingMessage,
  { accounts, ledger }: Pick<AgentUpgradeDeps, "accounts" | "ledger">,
): Promise<{ edge: string; epoch: number }> {
  const edge = await accounts.edgeOfToken(bearerToken(headers.authorization));
  if (edge === undefined) throw new PerigeeError("UNAUTHORIZED", "The agent's token is not valid");
  const epoch = Number(headers[LIVE_EPOCH]);
  if (epoch !== (await ledger.epochOf(edge))) {
    throw new PerigeeError("STALE_EPOCH", "Another agent serves this edge");
  }
  return { edge, epoch };
}
