import https from "node:https";
import { isIP, type LookupFunction, type Socket } from "node:net";

export type PinnedAgentOptions = {
  host: string;
  /** the only ones that are connected to */
  addresses: readonly string[];
  /** ms without a byte, in either direction, after which a connection that is in use is silent */
  silenceMs: number;
  /** somebody here keeps the server waiting: then it is not the silent one */
  isWaitedFor: () => boolean;
  onSilence: () => void;
};

/** Connections at once: parts of an upload, looks at several entries. */
const CONNECTIONS = 8;

/** TLS connections to one host by addresses that were checked before: its name is never looked up again. */
export function pinnedAgent(options: PinnedAgentOptions): https.Agent {
  const { host, addresses, silenceMs, isWaitedFor, onSilence } = options;
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  const lookup: LookupFunction = (name, { all }, done) => {
    if (name !== host) return done(new Error("another host is asked for"), []);
    return all ? done(null, found) : done(null, found[0]!.address, found[0]!.family);
  };
  class PinnedAgent extends https.Agent {
    override createConnection(...call: Parameters<https.Agent["createConnection"]>) {
      const socket = super.createConnection(...call) as Socket | null | undefined;
      socket?.on("timeout", () => {
        // nobody waits for one that is kept for later
        if (Object.values(this.freeSockets).some((free) => free?.includes(socket))) return;
        if (isWaitedFor()) socket.setTimeout(silenceMs);
        else onSilence();
      });
      return socket;
    }
  }
  return new PinnedAgent({ keepAlive: true, maxSockets: CONNECTIONS, timeout: silenceMs, lookup });
}
