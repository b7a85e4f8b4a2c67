import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type DeviceFiles, deviceFiles } from "#agent/fpga/programmer/device-files.ts";
import type { OverlayOptions } from "#agent/fpga/programmer/overlay/overlay.ts";
import type { SimulatedLoad } from "./simulated-sysfs.ts";

const FIRMWARE = "design.bin";

/** A simulated kernel with overlays, which programs nothing: the operator's overlay names `design.bin`. */
export class SimulatedOverlays {
  readonly root = fs.mkdtempSync(path.join(tmpdir(), "overlays-"));
  readonly loads: Buffer[] = [];
  next: SimulatedLoad = { kind: "works" };

  constructor() {
    for (const directory of [
      "sys/class/fpga_manager/fpga0",
      "sys/class/fpga_region/region0",
      "sys/kernel/config/device-tree/overlays",
      "lib/firmware",
    ])
      fs.mkdirSync(path.join(this.root, directory), { recursive: true });
    this.#say("name", "simulated FPGA Manager");
    this.#say("state", "power up");
    fs.writeFileSync(this.#dtbo, "the operator's overlay");
  }

  get options(): OverlayOptions {
    return { dtbo: this.#dtbo, firmware: FIRMWARE, root: this.root, files: this.#files };
  }

  close(): void {
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  get #dtbo(): string {
    return path.join(this.root, "operator.dtbo");
  }

  readonly #files: DeviceFiles = {
    ...deviceFiles,
    // as the kernel does: a directory there has its files at once, and goes with them
    makeDirectory: async (directory) => {
      await deviceFiles.makeDirectory(directory);
      for (const name of ["dtbo", "status"]) fs.writeFileSync(path.join(directory, name), "");
    },
    removeDirectory: async (directory) => fs.rmSync(directory, { recursive: true, force: true }),
    writeFrom: async (from, to) => {
      await deviceFiles.writeFrom(from, to);
      this.#apply(path.dirname(to));
    },
  };

  #apply(overlay: string): void {
    const { next } = this;
    if (next.kind !== "works" && next.state !== undefined) this.#say("state", next.state);
    if (next.kind === "error") throw Object.assign(new Error(next.code), { code: next.code });
    if (next.kind === "silent") return;
    this.loads.push(fs.readFileSync(path.join(this.root, "lib/firmware", FIRMWARE)));
    this.#say("state", "operating");
    fs.writeFileSync(path.join(overlay, "status"), "applied\n");
  }

  #say(name: string, text: string): void {
    fs.writeFileSync(path.join(this.root, "sys/class/fpga_manager/fpga0", name), `${text}\n`);
  }
}
