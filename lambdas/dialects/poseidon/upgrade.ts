import { failureOf, PerigeeError } from "#protocol/errors.ts";
import { refuseUpgrade } from "../../live/sockets/refuse-upgrade.ts";
import type { Dialect } from "../dialect.ts";
import { notHere } from "./not-here.ts";
import { isServed } from "./parts.ts";
import { errors } from "./refusals.ts";
import { WEBSOCKET_PATH } from "./websocket-path.ts";

export const upgrade: NonNullable<Dialect["upgrade"]> = {
  accepts: ({ method, url = "", headers }) =>
    method === "GET" && headers.upgrade?.toLowerCase() === "websocket" && WEBSOCKET_PATH.test(url),
  handle(incoming, socket, head, core) {
    const connect = async () => {
      if (!isServed(core)) return refuseUpgrade(socket, notHere(core));
      await (await import("./on-server.ts")).connect(incoming, socket, head, core);
    };
    connect().catch((error: unknown) => {
      // PerigeeErrors are answers; anything else is a fault of ours
      if (!(error instanceof PerigeeError)) core.log.error({ err: error }, "a WebSocket failed");
      return refuseUpgrade(socket, errors(failureOf(error)));
    });
  },
};
