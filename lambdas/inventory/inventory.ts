import { boundedInventory } from "#protocol/bounded-inventory.ts";
import type { EdgeOffer } from "#protocol/edge-offer.ts";
import type { FpgaDeviceReport, FpgaLoad } from "#protocol/fpga-device.ts";
import type { ImageEntry, InventoryReport, VolumeEntry } from "#protocol/wire.ts";
import type { Heartbeat } from "../ledger/contact.ts";
import { keys } from "../ledger/keys.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { KnownRun, Runs } from "../ledger/runs.ts";
import type { LedgerStore } from "../ports/ledger-store.ts";
import { storedOffer } from "./stored-offer.ts";

/** A list as the agent last reported it; `at` is when it was known to be so, by the ground's clock (ms since 1970). */
export type Reported<T> = { items: T[]; truncated: boolean; at: number };

type Held = NonNullable<InventoryReport["fpga"]>;
type Record = {
  fpga?: Held | undefined;
  images: ImageEntry[];
  volumes: VolumeEntry[];
  truncated: boolean;
  at: number;
};

/**
 * What the ground knows of an edge without asking it: images and volumes of a user, pods, nodes, each with the time
 * at which that was so. Works without contact.
 *
 * @example
 * const { items, at } = (await inventory.images("em-1", "alice")) ?? { items: [], at: undefined };
 */
export class Inventory {
  readonly #store: LedgerStore;
  readonly #ledger: Pick<Ledger, "lastHeartbeat">;
  readonly #runs: Runs;
  readonly #now: () => number;

  constructor(deps: {
    store: LedgerStore;
    ledger: Pick<Ledger, "lastHeartbeat">;
    runs: Runs;
    now: () => number;
  }) {
    this.#store = deps.store;
    this.#ledger = deps.ledger;
    this.#runs = deps.runs;
    this.#now = deps.now;
  }

  /** Takes in a user's images and volumes, in place of what was reported before; cut, where an older agent did not. */
  async record(edge: string, report: InventoryReport): Promise<void> {
    const { user, ...lists } = boundedInventory(report);
    const data: Record = { ...lists, at: this.#now() };
    await this.#store.transact([{ put: { ...keys.inventory(edge, user), data } }]);
  }

  /** Takes in what the edge can do, in place of what it said before. */
  async recordOffer(edge: string, offer: EdgeOffer): Promise<void> {
    await this.#store.transact([{ put: { ...keys.offer(edge), data: offer } }]);
  }

  /** What the edge can do; undefined when its agent has never told it. */
  async offer(edge: string): Promise<EdgeOffer | undefined> {
    return storedOffer(this.#store, edge);
  }

  /** The user's images; undefined when none were ever reported. */
  async images(edge: string, user: string): Promise<Reported<ImageEntry> | undefined> {
    return this.#reported(edge, user, ({ images }) => images);
  }

  /** The user's volumes; undefined when none were ever reported. */
  async volumes(edge: string, user: string): Promise<Reported<VolumeEntry> | undefined> {
    return this.#reported(edge, user, ({ volumes }) => volumes);
  }

  /** The newest run of each of the user's pods; each has its own time. */
  pods(edge: string, user: string): Promise<KnownRun[]> {
    return this.#runs.current(edge, user);
  }

  /** The same of the pods whose names begin so, however many these are. */
  podsNamed(edge: string, user: string, prefix: string): Promise<KnownRun[]> {
    return this.#runs.currentOf(edge, user, prefix);
  }

  /** The nodes; undefined before the first heartbeat. */
  async nodes(edge: string): Promise<Reported<Heartbeat["nodes"][number]> | undefined> {
    const beat = await this.#ledger.lastHeartbeat(edge);
    return beat && { items: beat.nodes, truncated: false, at: beat.at };
  }

  /** The FPGAs of its nodes; undefined before the first heartbeat of an agent that knows them. */
  async fpgas(edge: string): Promise<Reported<FpgaDeviceReport> | undefined> {
    const beat = await this.#ledger.lastHeartbeat(edge);
    return beat?.fpga && { items: beat.fpga, truncated: false, at: beat.at };
  }

  /** Last loads of a user's FPGA images, the latest first. */
  async fpgaLoads(edge: string, user: string): Promise<FpgaLoad[]> {
    const item = await this.#store.get<Record>(keys.inventory(edge, user));
    return item?.data.fpga?.loads ?? [];
  }

  async #reported<T>(
    edge: string,
    user: string,
    of: (record: Record) => T[],
  ): Promise<Reported<T> | undefined> {
    const [item, beat] = await Promise.all([
      this.#store.get<Record>(keys.inventory(edge, user)),
      this.#ledger.lastHeartbeat(edge),
    ]);
    if (!item) return undefined;
    // A heartbeat that says that nothing else has changed makes the report as young as itself.
    const at = beat?.reported ? Math.max(beat.at, item.data.at) : item.data.at;
    return { items: of(item.data), truncated: item.data.truncated, at };
  }
}
