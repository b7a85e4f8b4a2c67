import { randomBytes } from "node:crypto";
import type { Profile } from "./profile.ts";
import { seededRandom } from "./seeded-random.ts";
import { TunEnd } from "./tun-end.ts";
import { Way, type WayStats } from "./way.ts";

export type Link = {
  /** address of this machine, where the ground is, on the link */
  ground: string;
  /** address of the edge */
  edge: string;
  /** begin of a command line that runs what follows on the edge */
  onEdge: readonly string[];
  up: Pick<Way, "open" | "cut">;
  down: Pick<Way, "open" | "cut">;
  /** ends contact in the middle of a packet, and the other way round */
  cut(): void;
  restore(): void;
  stats(): { up: WayStats; down: WayStats };
  /** removes all of it; what runs on the edge loses its device */
  close(): Promise<void>;
};

/**
 * A link between this machine and a network name space that stands for the edge, shaped in this process. It takes no
 * module of the kernel beyond TUN, and what it made goes with this process, however that ends.
 * @param seed of what is lost and late (default 1)
 * @param congestion what TCP on both sides goes by (default: what each machine has), `cubic` for example
 * @throws Error where it cannot be made: it takes root, python3, iproute2 and /dev/net/tun
 */
export async function openLink(
  { up, down, windows }: Profile,
  { seed = 1, congestion }: { seed?: number; congestion?: string } = {},
): Promise<Link> {
  const id = randomBytes(4);
  // 198.18.0.0/15 is for measurements of links: nothing real has such an address.
  const [third, fourth] = [id[0]!, id[1]! & 0xfc];
  const [ground, edge] = [1, 2].map((n) => `198.18.${third}.${fourth + n}`) as [string, string];
  const device = `pl${id.toString("hex")}`;
  const tcp = congestion === undefined ? {} : { congestion };
  const groundEnd = await TunEnd.open({ device, own: ground, other: edge, ...tcp });
  const edgeEnd = await TunEnd.open({
    device: "ground0",
    own: edge,
    other: ground,
    apart: true,
    ...tcp,
  }).catch(async (error: unknown) => {
    await groundEnd.close();
    throw error;
  });
  const start = performance.now();
  const now = () => performance.now() - start;
  const upWay = new Way({ lane: up, windows, random: seededRandom(seed), now }, (packet) =>
    edgeEnd.deliver(packet),
  );
  const downWay = new Way({ lane: down, windows, random: seededRandom(seed + 1), now }, (packet) =>
    groundEnd.deliver(packet),
  );
  groundEnd.onPacket = (packet) => upWay.take(packet);
  edgeEnd.onPacket = (packet) => downWay.take(packet);
  return {
    ground,
    edge,
    onEdge: ["nsenter", `--net=/proc/${edgeEnd.pid}/ns/net`],
    up: upWay,
    down: downWay,
    cut() {
      upWay.cut();
      downWay.cut();
    },
    restore() {
      upWay.open = true;
      downWay.open = true;
    },
    stats: () => ({ up: upWay.stats, down: downWay.stats }),
    async close() {
      upWay.close();
      downWay.close();
      await Promise.all([groundEnd.close(), edgeEnd.close()]);
    },
  };
}
