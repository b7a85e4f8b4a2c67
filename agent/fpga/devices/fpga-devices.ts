import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "pino";
import type { FpgaDeviceReport, FpgaLoad } from "#protocol/fpga-device.ts";
import type { FpgaImage } from "#protocol/fpga-image.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { Serial } from "#protocol/serial.ts";
import type { FpgaDeviceConfig } from "../device-config.ts";
import {
  type DeviceProbe,
  type DeviceState,
  type FpgaProgrammer,
  LoadError,
  type LoadFile,
} from "../programmer/fpga-programmer.ts";
import { blankFile } from "./blank-file.ts";
import { isPartial, type Misfit, misfitOf, textIn } from "./fits.ts";
import { LoadJournal } from "./load-journal.ts";
import type { LoadPlace } from "./load-place.ts";

export type FpgaDevicesDeps = {
  devices: readonly FpgaDeviceConfig[];
  db: DatabaseSync;
  place: LoadPlace;
  log: Logger;
  /** Does a run hold the device of the node? */
  isHeld: (node: string) => boolean;
  now?: () => number;
};

type Device = {
  config: FpgaDeviceConfig;
  probe: DeviceProbe;
  programmer: FpgaProgrammer | undefined;
  state: DeviceState;
  /** nothing that an earlier agent began is still at it */
  isCleared: boolean;
  /** ms since 1970 when it was looked for and not found; undefined: nothing is known of it yet */
  missedAt: number | undefined;
  isLooking: boolean;
  /** a load did not come back, and the device has not answered since */
  isStuck: boolean;
};

/** Where an image can be loaded now; `waits`: why not now. */
export type DeviceChoice =
  | { node: string }
  | { waits: string }
  | Misfit
  | { code: "NO_DEVICE"; message: string };

const NONE: DeviceProbe = { adapter: "none", formats: [] };

/** The devices of this edge: which there are, what they hold, and every load. */
export class FpgaDevices {
  readonly #log: Logger;
  readonly #place: LoadPlace;
  readonly #isHeld: (node: string) => boolean;
  readonly #now: () => number;
  readonly #journal: LoadJournal;
  readonly #devices = new Map<string, Device>();
  readonly #turns = new Serial();
  readonly #listeners = new Set<() => void>();
  readonly #closing = new AbortController();

  constructor({ devices, db, place, log, isHeld, now = Date.now }: FpgaDevicesDeps) {
    this.#log = log;
    this.#place = place;
    this.#isHeld = isHeld;
    this.#now = now;
    this.#journal = new LoadJournal(db, now);
    for (const config of devices) {
      this.#devices.set(config.node, {
        ...{ config, probe: NONE, state: { state: "unknown" } },
        ...{ programmer: undefined, missedAt: undefined },
        ...{ isCleared: false, isLooking: false, isStuck: false },
      });
    }
  }

  /** Looks for devices that are not there yet, or did not come back. Never throws. */
  async look(): Promise<void> {
    const before = JSON.stringify(this.reports());
    const looks = [...this.#devices.values()]
      .filter((device) => this.#isDue(device))
      .map((device) => {
        device.isLooking = true;
        return this.#turn(device, () => this.#look(device)).finally(() => {
          device.isLooking = false;
        });
      });
    const done = Promise.all(looks).then(() => {
      if (JSON.stringify(this.reports()) !== before) this.#tell();
    });
    if (!this.#place.slow) await done;
  }

  /** Reports of all devices for the ground; a node without a device to program has the adapter `none`. */
  reports(): FpgaDeviceReport[] {
    return [...this.#devices.values()].map((device) => {
      const { config, probe, state, isStuck } = device;
      const { node, idcode, shell } = config;
      const last = this.#journal.last(node);
      return {
        node,
        adapter: probe.adapter,
        ...(probe.driver !== undefined && { driver: probe.driver }),
        formats: [...formatsOf(device)],
        ...(idcode !== undefined && { idcode }),
        ...(shell && { shell }),
        state: isStuck ? "stuck" : state.state,
        ...(last?.state === "operating" &&
          this.#journal.isOfRun(last) && {
            loaded: { user: last.user, image: last.image, run: last.run },
          }),
      };
    });
  }

  /** The nodes, without those whose device does not come back from a load. */
  usable<T extends { name: string; status: "True" | "False" | "Unknown" }>(nodes: readonly T[]): T[] {
    return nodes.map((node) => (this.#devices.get(node.name)?.isStuck ? { ...node, status: "False" } : node));
  }

  /** Loads of a user's images, the latest first. */
  loads(user: string): FpgaLoad[] {
    return this.#journal.of(user);
  }

  /** Users of whom loads are known. */
  users(): string[] {
    return this.#journal.users();
  }

  /** A user's image is removed: its loads are nobody's any more, but what a device holds. */
  forgetLoads(user: string, image: string): void {
    this.#journal.forget(user, image);
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /**
   * The device for an image: the first free one that takes it.
   * @param nodes those that are meant: on one that is not ready nothing is loaded, but it may become ready
   * @param held nodes whose device a run holds
   */
  choose(
    image: FpgaImage,
    nodes: readonly { name: string; isReady: boolean }[],
    held: ReadonlySet<string>,
  ): DeviceChoice {
    const wanted = textIn(image.metadata, "perigee_node");
    const meant = nodes
      .filter(({ name }) => wanted === undefined || wanted === name)
      .flatMap(({ name, isReady }) => {
        const device = this.#devices.get(name);
        return device ? [{ device, isReady }] : [];
      });
    const there = meant
      .filter(({ device }) => device.programmer)
      .map(({ device, isReady }) => ({
        node: device.config.node,
        isReady,
        misfit: misfitOf(image, { ...device.config, ...device.probe, formats: formatsOf(device) }),
      }));
    const fitting = there.filter(({ misfit }) => misfit === undefined);
    const free = fitting.find(({ node, isReady }) => isReady && !held.has(node));
    if (free) return { node: free.node };
    if (fitting.some(({ isReady }) => isReady)) return { waits: "every FPGA that takes the image is in use" };
    if (meant.some(({ device }) => !isKnown(device))) return { waits: "an FPGA is still being looked for" };
    if (fitting.length > 0) return { waits: "the node of the FPGA that takes the image is not ready" };
    return there[0]?.misfit ?? { code: "NO_DEVICE", message: noDevice(wanted) };
  }

  /** Device files that the run which holds a node's device gets. */
  filesOf(node: string): readonly string[] {
    return this.#devices.get(node)?.config.devices ?? [];
  }

  /** What a cluster gives the run that holds a node's device, by its name. */
  resourceOf(node: string): string | undefined {
    return this.#devices.get(node)?.config.resource;
  }

  /** How many loads of a run came to no end. */
  interruptions(run: string): number {
    return this.#journal.interruptions(run);
  }

  /** Was the last load of a node's device this run's, and did it succeed? */
  isLoaded(node: string, run: string): boolean {
    const last = this.#journal.last(node);
    return last?.run === run && last.state === "operating";
  }

  /**
   * Programs a node's device for a run; noted before it begins.
   * @throws LoadError; then nothing may be started that relies on the device
   */
  async load(
    of: { run: string; user: string; node: string; image: FpgaImage },
    file: LoadFile,
  ): Promise<void> {
    const device = this.#devices.get(of.node);
    if (!device) throw new LoadError("NO_DEVICE", `the node ${of.node} has no device`);
    await this.#turn(device, () => this.#load(device, of, file)).finally(() => this.#tell());
  }

  /** Loads the operator's file where there is one, and no run holds the device that a run has had. Never throws. */
  async blankFree(): Promise<void> {
    const used = [...this.#devices.values()].filter(({ config }) => config.blank !== undefined);
    await Promise.all(
      used.map(async (device) => {
        try {
          if (await this.#turn(device, () => this.#blank(device))) this.#tell();
        } catch (err) {
          this.#log.warn({ err, node: device.config.node }, "an FPGA keeps the design of its last run");
        }
      }),
    );
  }

  /** Loads that are under way fail; the next agent does them once more. */
  close(): void {
    this.#closing.abort(new Error("the agent ends"));
    this.#place.close?.();
  }

  async #load(
    device: Device,
    { run, user, node, image }: { run: string; user: string; node: string; image: FpgaImage },
    file: LoadFile,
  ): Promise<void> {
    // a run goes on with its load at once when the agent is back, whether the device was found by then or not
    if (!isKnown(device)) await this.#look(device);
    if (!isKnown(device)) throw new Error("the device is not known yet");
    const { programmer, probe } = device;
    if (!programmer) throw new LoadError("NO_DEVICE", noDevice(node));
    if (device.isStuck)
      throw new LoadError("LOAD_TIMEOUT", "the device has not answered since an earlier load");
    const n = this.#journal.begin({ node, adapter: probe.adapter, user, image: image.image, run });
    await this.#program(device, programmer, { n, file, partial: isPartial(image.metadata) });
  }

  /** @returns was it loaded? It is looked at in the device's turn: whose run holds it from then on loads after it. */
  async #blank(device: Device): Promise<boolean> {
    const { config, programmer, probe, isStuck } = device;
    const { node, blank } = config;
    const last = this.#journal.last(node);
    if (blank === undefined || !programmer || isStuck || !last || !this.#journal.isOfRun(last)) return false;
    if (this.#isHeld(node)) return false;
    const file = await blankFile(blank);
    const n = this.#journal.beginBlank({ node, adapter: probe.adapter });
    await this.#program(device, programmer, { n, file, partial: false });
    return true;
  }

  /** @throws LoadError; what the load of this number came to is noted */
  async #program(
    device: Device,
    programmer: FpgaProgrammer,
    { n, file, partial }: { n: number; file: LoadFile; partial: boolean },
  ): Promise<void> {
    killPoint("fpga.loading");
    try {
      const { signal } = this.#closing;
      device.state = await programmer.load(file, { partial, signal });
    } catch (error) {
      // it may go on: the next agent counts it as cut short
      if (this.#closing.signal.aborted) throw error;
      const failed = error instanceof LoadError ? error : unexpected(error);
      device.state = failed.driver ?? { state: "unknown" };
      device.isStuck = failed.code === "LOAD_TIMEOUT";
      this.#log.warn({ err: error, node: device.config.node }, "an FPGA was not programmed");
      this.#journal.end(n, "failed", `${failed.code}: ${failed.message}`);
      throw failed;
    }
    const { state, status } = device.state;
    killPoint("fpga.programmed");
    this.#journal.end(n, "operating", status === undefined ? state : `${state} (${status})`);
    killPoint("fpga.loaded");
  }

  #isDue(device: Device): boolean {
    const { programmer, isStuck, isLooking, missedAt } = device;
    if (isLooking) return false;
    if (programmer || missedAt === undefined) return isStuck || !isKnown(device);
    return this.#now() - missedAt >= (this.#place.slow?.againMs ?? 0);
  }

  async #look(device: Device): Promise<void> {
    const { config } = device;
    try {
      if (!device.isCleared) {
        device.isStuck = await this.#place.clear(config);
        device.isCleared = true;
      }
      if (!device.programmer) await this.#probe(device);
      if (!device.isStuck) return;
      if (await this.#place.clear(config)) return;
      if (device.programmer) device.state = await device.programmer.current();
      device.isStuck = false;
      this.#log.info({ node: config.node }, "the FPGA answers");
    } catch (err) {
      this.#log.warn({ err, node: config.node }, "the FPGA does not answer");
    }
  }

  async #probe(device: Device): Promise<void> {
    const { config } = device;
    for (const programmer of this.#place.programmers(config)) {
      const probe = await programmer.probe();
      if (!probe) continue;
      device.probe = probe;
      device.programmer = programmer;
      this.#log.info({ node: config.node, ...probe }, "an FPGA was found");
      return;
    }
    device.missedAt = this.#now();
  }

  #turn<T>(device: Device, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(device.config.node, work);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

const formatsOf = ({ config, probe, programmer }: Device): readonly string[] =>
  programmer ? (config.formats ?? probe.formats) : [];

const isKnown = ({ isCleared, programmer, missedAt }: Device): boolean =>
  isCleared && (programmer !== undefined || missedAt !== undefined);

function noDevice(node: string | undefined): string {
  return node === undefined
    ? "no node of this edge has an FPGA that can be programmed"
    : `the node ${node} has no FPGA that can be programmed`;
}

function unexpected(cause: unknown): LoadError {
  return new LoadError("LOAD_FAILED", cause instanceof Error ? cause.message : String(cause), { cause });
}
