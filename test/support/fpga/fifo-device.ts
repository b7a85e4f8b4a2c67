import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const RDWR = fs.constants.O_RDWR | fs.constants.O_NONBLOCK;

/**
 * A simulated FPGA manager whose `firmware`, `state` and `status` are FIFOs that this process serves, so that the order of
 * a driver's answers is exact, also to another process. It programs nothing and exists in tests alone.
 */
export class FifoDevice {
  readonly root = fs.mkdtempSync(path.join(tmpdir(), "fpga-fifos-"));
  /** the content of every load that succeeded, in order */
  readonly loads: Buffer[] = [];
  /** what the device says after the next load; undefined: it works */
  fails: string | undefined;
  /** before a load is answered */
  onLoad: (() => void | Promise<void>) | undefined;
  readonly #fifos = new Map<string, number>();
  #firmware: net.Socket | undefined;

  constructor() {
    fs.mkdirSync(this.#manager, { recursive: true });
    fs.mkdirSync(this.firmwareDirectory, { recursive: true });
    fs.writeFileSync(path.join(this.#manager, "name"), "simulated ZynqMP FPGA Manager\n");
    fs.writeFileSync(path.join(this.#manager, "flags"), "0\n");
    const names = ["firmware", "state", "status"];
    execFileSync("mkfifo", names.map((name) => path.join(this.#manager, name)));
    for (const name of names.slice(1)) this.#fifos.set(name, fs.openSync(path.join(this.#manager, name), RDWR));
    this.#serve();
  }

  get firmwareDirectory(): string {
    return path.join(this.root, "lib/firmware");
  }

  /** Whoever reads the state next reads this. */
  say(state: string): void {
    for (const [name, text] of [
      ["state", state],
      ["status", ""],
    ]) {
      const fd = this.#fifos.get(name!)!;
      drain(fd);
      fs.writeSync(fd, `${text}\n`);
    }
  }

  /** From now on the driver takes no write: whoever writes stays there. */
  block(): void {
    this.#firmware?.destroy();
    const fd = fs.openSync(path.join(this.#manager, "firmware"), RDWR);
    this.#fifos.set("firmware", fd);
    for (const bytes of [4096, 1]) {
      try {
        for (;;) fs.writeSync(fd, Buffer.alloc(bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      }
    }
  }

  /** The driver takes writes again, and is asked for its state. */
  unblock(): void {
    const fd = this.#fifos.get("firmware")!;
    this.#fifos.delete("firmware");
    drain(fd);
    fs.closeSync(fd);
    this.#serve();
    this.say("operating");
  }

  close(): void {
    this.#firmware?.destroy();
    for (const fd of this.#fifos.values()) fs.closeSync(fd);
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  #serve(): void {
    const fd = fs.openSync(path.join(this.#manager, "firmware"), RDWR);
    this.#firmware = new net.Socket({ fd, readable: true, writable: false });
    this.#firmware.setEncoding("utf8").on("data", (name) => void this.#load(String(name)));
  }

  async #load(name: string): Promise<void> {
    await this.onLoad?.();
    if (this.fails === undefined) this.loads.push(fs.readFileSync(path.join(this.firmwareDirectory, name)));
    this.say(this.fails ?? "operating");
  }

  get #manager(): string {
    return path.join(this.root, "sys/class/fpga_manager/fpga0");
  }
}

function drain(fd: number): void {
  try {
    while (fs.readSync(fd, Buffer.alloc(4096)) > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
  }
}
