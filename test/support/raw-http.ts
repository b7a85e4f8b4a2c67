import { connect, type Socket } from "node:net";

/** A connection on which a test writes bytes as it likes, and reads what comes. */
export class RawConnection {
  readonly socket: Socket;
  #text = "";
  #closed = false;
  #wake = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    const wake = () => {
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    };
    socket.on("data", (chunk) => {
      this.#text += chunk.toString("latin1");
      wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#closed = true;
      wake();
    });
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.once("error", reject).once("connect", () => resolve(new RawConnection(socket)));
    });
  }

  /** What has come so far. */
  get text(): string {
    return this.#text;
  }

  /** Writes; resolves when the system took it. False when the connection is gone. */
  write(data: string | Uint8Array): Promise<boolean> {
    return new Promise((resolve) => this.socket.write(data, (error) => resolve(!error)));
  }

  /** Resolves when what came matches; rejects when the connection closes before. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) return match;
      if (this.#closed) throw new Error(`closed after ${JSON.stringify(this.#text)}`);
      await this.#wake.promise;
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.#closed && !this.socket.readableEnded) {
      await Promise.race([this.#wake.promise, new Promise((resolve) => this.socket.once("end", resolve))]);
    }
  }

  close(): void {
    this.socket.destroy();
  }
}
