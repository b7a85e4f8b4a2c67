import type { Lane, Profile } from "./profile.ts";
import { Shaper } from "./shaper.ts";
import { TcpBytes } from "./tcp-bytes.ts";

export type WayStats = {
  /** packets that came in, that arrived, that got lost by chance, that found the queue full, that found no link */
  offered: number;
  arrived: number;
  lost: number;
  dropped: number;
  silent: number;
  /** bytes of the packets that arrived, headers and TCP's repeats among them */
  bytes: number;
  /** bytes of what the programs sent, each once */
  payload: number;
};

/** One way of the link in real time. */
export class Way {
  readonly #shaper: Shaper;
  readonly #deliver: (packet: Buffer) => void;
  readonly #now: () => number;
  readonly #waiting: { at: number; packet: Buffer }[] = [];
  readonly #tcp = new TcpBytes();
  readonly #counted = { offered: 0, arrived: 0, lost: 0, dropped: 0, silent: 0, bytes: 0 };
  #timer: NodeJS.Timeout | undefined;
  /** false: it takes packets and none arrives, which neither end is told */
  open = true;

  /** @param now ms since the link's start */
  constructor(
    of: { lane: Lane; windows: Profile["windows"]; random: () => number; now: () => number },
    deliver: (packet: Buffer) => void,
  ) {
    this.#shaper = new Shaper(of.lane, of.windows, of.random);
    this.#now = of.now;
    this.#deliver = deliver;
  }

  get stats(): WayStats {
    return { ...this.#counted, payload: this.#tcp.bytes };
  }

  take(packet: Buffer): void {
    // Not IPv4: what a kernel says of itself on each new device.
    if (packet[0]! >> 4 !== 4) return;
    this.#counted.offered++;
    const fate = this.open ? this.#shaper.offer(packet.length, this.#now()) : "no link";
    if (fate === "lost") this.#counted.lost++;
    else if (fate === "queue full") this.#counted.dropped++;
    else if (fate === "no link") this.#counted.silent++;
    else {
      // The frame's memory belongs to a chunk of the stream.
      this.#waiting.push({ at: fate.at, packet: Buffer.from(packet.subarray(0, fate.bytes)) });
      this.#arm();
    }
  }

  /** Cuts it now: the packet that is being sent arrives in part, what waits behind it not at all. */
  cut(): void {
    this.open = false;
    const next = this.#waiting.splice(0)[0];
    if (next) this.#deliver(next.packet.subarray(0, next.packet.length >> 1));
    this.#counted.silent += next ? 1 : 0;
    this.close();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.length = 0;
  }

  #arm(): void {
    const next = this.#waiting[0];
    if (!next || this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#arrive();
      },
      Math.max(0, next.at - this.#now()),
    );
  }

  #arrive(): void {
    const now = this.#now();
    while (this.#waiting[0] && this.#waiting[0].at <= now) {
      const { packet } = this.#waiting.shift()!;
      this.#counted.arrived++;
      this.#counted.bytes += packet.length;
      this.#tcp.see(packet);
      this.#deliver(packet);
    }
    this.#arm();
  }
}
