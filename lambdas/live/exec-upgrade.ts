import type { IncomingMessage } from "node:http";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { edgeNotFound } from "../auth/edges.ts";
import { errorResponse } from "../http/errors.ts";
import type { Upgrade } from "../http/serve.ts";
import { isWebSocket } from "./is-web-socket.ts";
import { joinExec } from "./join-exec.ts";
import type { LiveRelay } from "./relay/live-relay.ts";
import { isForeignOrigin, refuseUpgrade } from "./sockets/refuse-upgrade.ts";
import { acceptUserSocket, type UserSocketOptions } from "./sockets/user-socket.ts";
import type { LiveTickets, Ticket } from "./tickets.ts";

export const EXEC_PROTOCOL = "perigee.exec.v1";

export type ExecUpgradeDeps = {
  relay: LiveRelay;
  tickets: LiveTickets;
  users: { find(name: string): Promise<{ createdAt: number } | undefined> };
  /** @throws EDGE_NOT_FOUND where the grant, or the user, is gone */
  resolveEdge(user: string, edge: string): Promise<string>;
  log: Logger;
  socket?: UserSocketOptions;
};

/**
 * `GET /live?ticket=…`: the socket of a user's execution. A refusal does not use up the ticket, except that of two
 * upgrades at once one finds it used.
 */
export function execUpgrade(deps: ExecUpgradeDeps): Upgrade {
  const { relay, tickets, log } = deps;
  return {
    accepts: (incoming) => isWebSocket(incoming, "/live"),
    handle(incoming, socket, head) {
      const accept = async () => {
        const { text, seen } = await admitted(incoming, deps);
        const { user: name, edge, target } = seen;
        const place = relay.reserve({ user: name, edge, target });
        if (!place) throw new PerigeeError("TOO_MANY_SESSIONS", "Too many live sessions are open");
        try {
          // the ticket is good for another connect
          if (socket.destroyed) throw new Error("the client has gone");
          const ticket = await tickets.use(text);
          if (!ticket) throw noTicket();
          const options = { ...deps.socket, protocol: EXEC_PROTOCOL };
          const user = await acceptUserSocket(incoming, socket, head, options);
          await joinExec(user, place.open({ kind: "exec", exec: ticket.exec }));
        } finally {
          place.giveBack();
        }
      };
      accept().catch((error: unknown) => {
        if (socket.destroyed) return;
        void refuseUpgrade(socket, errorResponse(error, { log }));
      });
    },
  };
}

/**
 * The ticket, which is not used yet.
 * @throws INVALID_PARAMETERS, TICKET_NOT_FOUND, EDGE_NOT_FOUND, FOREIGN_ORIGIN, LIVE_UNAVAILABLE
 */
async function admitted(
  incoming: IncomingMessage,
  deps: ExecUpgradeDeps,
): Promise<{ text: string; seen: Ticket }> {
  const { relay, tickets } = deps;
  const text = new URLSearchParams(incoming.url?.split("?")[1]).get("ticket") ?? "";
  const seen = await tickets.look(text);
  if (!seen) throw noTicket();
  if (isForeignOrigin(incoming, seen.page))
    throw new PerigeeError("FOREIGN_ORIGIN", "The page is of another host");
  const offered = (incoming.headers["sec-websocket-protocol"] ?? "").split(",").map((one) => one.trim());
  if (!offered.includes(EXEC_PROTOCOL)) {
    throw new PerigeeError("INVALID_PARAMETERS", `The sub-protocol ${EXEC_PROTOCOL} is needed`);
  }
  const [edge, account] = await Promise.all([
    deps.resolveEdge(seen.user, seen.edge),
    deps.users.find(seen.user),
  ]);
  if (edge !== seen.edge) throw edgeNotFound();
  // it may be of an earlier user of that name
  if (account && seen.madeAt !== undefined && seen.madeAt < account.createdAt) throw noTicket();
  if (!relay.isHere) throw new PerigeeError("LIVE_UNAVAILABLE", "This server is not the relay");
  return { text, seen };
}

const noTicket = () => new PerigeeError("TICKET_NOT_FOUND", "This address is not good, or not any more");
