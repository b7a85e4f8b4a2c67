const TCP = 6;
const SYN = 0x02;

/**
 * Counts what the programs at the ends have put into their connections, by the packets of one direction: TCP's repeats
 * count once, headers not at all.
 */
export class TcpBytes {
  /** sequence number behind the last byte seen, of each connection */
  readonly #ends = new Map<string, number>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Looks at an IPv4 packet that has arrived. */
  see(packet: Buffer): void {
    if (packet.length < 40 || packet[0]! >> 4 !== 4 || packet[9] !== TCP) return;
    const head = (packet[0]! & 0x0f) * 4;
    const length = packet.readUInt16BE(2);
    if (packet.length < length || length < head + 20) return;
    const data = length - head - (packet[head + 12]! >> 4) * 4;
    const flow = packet.toString("latin1", 12, 20) + packet.toString("latin1", head, head + 4);
    const sequence = packet.readUInt32BE(head + 4);
    if (packet[head + 13]! & SYN) {
      // The same once more is a repeat of the beginning, another number a new connection on the same ports.
      if (!this.#ends.has(flow) || data === 0) this.#ends.set(flow, (sequence + 1) >>> 0);
      return;
    }
    if (data === 0) return;
    const end = (sequence + data) >>> 0;
    const before = this.#ends.get(flow) ?? sequence;
    // Numbers go round at 2^32: what is ahead by less than half of it is new.
    const ahead = (end - before) | 0;
    if (ahead <= 0) return;
    this.#bytes += ahead;
    this.#ends.set(flow, end);
  }
}
