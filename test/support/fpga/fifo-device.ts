import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { LOAD_MARK } from "#agent/fpga/loads/load-task.ts";

const RDWR = fs.constants.O_RDWR | fs.constants.O_NONBLOCK;
const WRITE = fs.constants.O_WRONLY | fs.constants.O_NONBLOCK;

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
  #firmware: net.Socket | undefined;
  #blocked: number | undefined;
  /** answers that nobody has read yet are given up when this grows */
  #asked = 0;

  constructor() {
    fs.mkdirSync(this.#manager, { recursive: true });
    fs.mkdirSync(this.firmwareDirectory, { recursive: true });
    fs.writeFileSync(path.join(this.#manager, "name"), "simulated ZynqMP FPGA Manager\n");
    fs.writeFileSync(path.join(this.#manager, "flags"), "0\n");
    execFileSync(
      "mkfifo",
      ["firmware", "state", "status"].map((name) => path.join(this.#manager, name)),
    );
    this.#serve();
  }

  get firmwareDirectory(): string {
    return path.join(this.root, "lib/firmware");
  }

  /** Whoever reads the state next reads this. */
  say(state: string): void {
    const asked = ++this.#asked;
    this.#answer("state", state, asked);
    this.#answer("status", "", asked);
  }

  /** From now on the driver takes no write: whoever writes stays there. */
  block(): void {
    this.#firmware?.destroy();
    const fd = fs.openSync(path.join(this.#manager, "firmware"), RDWR);
    this.#blocked = fd;
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
    if (this.#blocked === undefined) return;
    drain(this.#blocked);
    fs.closeSync(this.#blocked);
    this.#blocked = undefined;
    this.#serve();
    this.say("operating");
  }

  /** Whoever asked is dead, and so is every process that loaded for a node of this name: what it was told is forgotten. */
  async forget(node: string): Promise<void> {
    while (isLoading(node)) await new Promise((resolve) => setTimeout(resolve, 5));
    this.#asked++;
  }

  close(): void {
    this.#asked++;
    this.#firmware?.destroy();
    if (this.#blocked !== undefined) fs.closeSync(this.#blocked);
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  #serve(): void {
    const fd = fs.openSync(path.join(this.#manager, "firmware"), RDWR);
    this.#firmware = new net.Socket({ fd, readable: true, writable: false });
    this.#firmware.setEncoding("utf8").on("data", (name) => void this.#load(String(name)));
  }

  async #load(name: string): Promise<void> {
    await this.onLoad?.();
    const file = path.join(this.firmwareDirectory, name);
    // whoever asked may have died, and another one may have cleared up behind it
    if (!fs.existsSync(file)) return;
    if (this.fails === undefined) this.loads.push(fs.readFileSync(file));
    this.say(this.fails ?? "operating");
  }

  /** A FIFO takes a text once somebody reads it, and keeps none for the next one. */
  #answer(name: string, text: string, asked: number): void {
    if (asked !== this.#asked) return;
    try {
      const fd = fs.openSync(path.join(this.#manager, name), WRITE);
      fs.writeSync(fd, `${text}\n`);
      fs.closeSync(fd);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
      setTimeout(() => this.#answer(name, text, asked), 2);
    }
  }

  get #manager(): string {
    return path.join(this.root, "sys/class/fpga_manager/fpga0");
  }
}

function isLoading(node: string): boolean {
  const mark = new RegExp(`(?:^|\\0)${LOAD_MARK}=[^\\0]*:${node}\\0`);
  return fs.readdirSync("/proc").some((pid) => {
    try {
      return /^\d+$/.test(pid) && mark.test(fs.readFileSync(`/proc/${pid}/environ`, "latin1"));
    } catch {
      return false;
    }
  });
}

function drain(fd: number): void {
  try {
    while (fs.readSync(fd, Buffer.alloc(4096)) > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
  }
}
