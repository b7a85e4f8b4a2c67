import net from "node:net";

/**
 * A socket that goes on reading when a write fails because the peer has closed: an answer that the server sent
 * before it closed is still in the kernel's buffer, and must not be lost to the EPIPE.
 */
export class PatientSocket extends net.Socket {
  static open(options: net.TcpNetConnectOpts): PatientSocket {
    const socket = new PatientSocket();
    socket.connect(options);
    return socket;
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    super._write(chunk, encoding, this.#patiently(done));
  }

  override _writev(
    chunks: { chunk: unknown; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    super._writev?.(chunks, this.#patiently(done));
  }

  #patiently(done: (error?: Error | null) => void): (error?: Error | null) => void {
    return (error) => {
      const code = (error as NodeJS.ErrnoException | undefined)?.code;
      if (code !== "EPIPE" && code !== "ECONNRESET") return done(error);
      // The read side ends soon, with or without an answer. The timer closes it when the peer keeps it open.
      const timer = setTimeout(() => done(error), 5_000);
      this.once("close", () => clearTimeout(timer));
    };
  }
}
