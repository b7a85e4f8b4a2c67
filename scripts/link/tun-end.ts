import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Frames, framed } from "./frames.ts";

const PROGRAM = join(import.meta.dirname, "tun.py");

export type TunEndOptions = {
  device: string;
  /** IPv4 addresses of this end and of the other */
  own: string;
  other: string;
  /** in a network name space of its own, which ends with the process (default: in this one) */
  apart?: boolean;
  /** of TCP, towards the other end (default: what the machine has) */
  congestion?: string;
};

/** One end of the link: a TUN device, held by a process that ends when this one does, however that ends. */
export class TunEnd {
  readonly #child: ChildProcess;
  readonly #frames = new Frames();
  /** told of each packet that the machine at this end sends */
  onPacket: (packet: Buffer) => void = () => undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @throws Error where this is not possible: it takes root, python3, iproute2 and /dev/net/tun */
  static async open({ device, own, other, apart = false, congestion }: TunEndOptions): Promise<TunEnd> {
    const program = ["python3", PROGRAM, device, own, other, ...(congestion ? [congestion] : [])];
    const argv = apart ? ["unshare", "--net", ...program] : program;
    const child = spawn(argv[0]!, argv.slice(1), { stdio: ["pipe", "pipe", "pipe"] });
    const end = new TunEnd(child);
    let said = "";
    child.stderr!.on("data", (text) => (said += text));
    child.stdin!.on("error", () => undefined);
    const ready = new Promise<void>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", () => reject(new Error(`no TUN device (root and /dev/net/tun are needed): ${said}`)));
      child.stdout!.on("data", (chunk: Buffer) => {
        for (const frame of end.#frames.add(chunk)) {
          if (frame.length > 0) end.onPacket(frame);
          else resolve();
        }
      });
    });
    await ready.catch(async (error: unknown) => {
      await end.close();
      throw error;
    });
    return end;
  }

  /** Its process, and with it its name space. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** Gives a packet to the machine at this end. */
  deliver(packet: Buffer): void {
    this.#child.stdin!.write(framed(packet));
  }

  async close(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}
