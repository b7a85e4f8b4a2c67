import fs from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type DeviceFiles, deviceFiles } from "#agent/fpga/programmer/device-files.ts";

/** What the simulated driver does with the next load. */
export type SimulatedLoad =
  | { kind: "works" }
  /** the write gives this error of the system; the state stays as it is, or becomes `state` */
  | { kind: "error"; code: string; state?: string }
  /** the write succeeds, and the device does not work afterwards */
  | { kind: "silent"; state: string };

/**
 * A simulated FPGA manager: a tree of plain files, whose driver is this object and programs nothing. It exists in tests
 * alone.
 */
export class SimulatedSysfs {
  readonly root: string;
  /** the content of every load, in order */
  readonly loads: { content: Buffer; flags: string }[] = [];
  next: SimulatedLoad = { kind: "works" };

  private constructor(root: string) {
    this.root = root;
  }

  static async make(driver = "Xilinx ZynqMP FPGA Manager"): Promise<SimulatedSysfs> {
    const made = new SimulatedSysfs(await mkdtemp(path.join(tmpdir(), "sysfs-")));
    fs.mkdirSync(made.manager, { recursive: true });
    fs.mkdirSync(path.join(made.root, "lib/firmware"), { recursive: true });
    for (const [name, text] of [
      ["name", driver],
      ["state", "power up"],
      ["status", ""],
      ["firmware", ""],
      ["flags", "0"],
    ]) {
      fs.writeFileSync(path.join(made.manager, name!), `${text}\n`);
    }
    return made;
  }

  get manager(): string {
    return path.join(this.root, "sys/class/fpga_manager/fpga0");
  }

  /** Has the kernel another directory for firmware? */
  useFirmwareDirectory(directory: string): void {
    const parameter = path.join(this.root, "sys/module/firmware_class/parameters");
    fs.mkdirSync(parameter, { recursive: true });
    fs.mkdirSync(path.join(this.root, directory), { recursive: true });
    fs.writeFileSync(path.join(parameter, "path"), `${directory}\n`);
  }

  get firmwareDirectory(): string {
    const parameter = path.join(this.root, "sys/module/firmware_class/parameters/path");
    const own = fs.existsSync(parameter) ? fs.readFileSync(parameter, "utf8").trim() : "";
    return path.join(this.root, own || "lib/firmware");
  }

  /** The file system with this driver behind its manager's `firmware`. */
  readonly files: DeviceFiles = {
    ...deviceFiles,
    write: async (file, text) => {
      await deviceFiles.write(file, text);
      if (file === path.join(this.manager, "firmware")) this.#load(text);
    },
  };

  #load(name: string): void {
    const { next } = this;
    const state = (text: string) => fs.writeFileSync(path.join(this.manager, "state"), `${text}\n`);
    if (next.kind === "error") {
      if (next.state !== undefined) state(next.state);
      throw Object.assign(new Error(next.code), { code: next.code });
    }
    if (next.kind === "silent") {
      state(next.state);
      return;
    }
    // a bare name: the kernel looks for it in its own directory
    const content = fs.readFileSync(path.join(this.firmwareDirectory, path.basename(name)));
    if (path.basename(name) !== name) throw Object.assign(new Error("a path"), { code: "ENOENT" });
    this.loads.push({
      content,
      flags: fs.readFileSync(path.join(this.manager, "flags"), "utf8").slice(0, 1),
    });
    state("operating");
  }
}
