import type { ExecSocket } from "./exec-socket.ts";

/** Rows and columns of the terminal, where there is one. */
export function terminalSize(): { rows: number; columns: number } | undefined {
  const { isTTY, rows, columns } = process.stdout;
  return isTTY && rows > 0 && columns > 0 ? { rows, columns } : undefined;
}

/** Makes the terminal raw and tells its size whenever it changes. @returns undoes it */
export function joinTerminal(socket: Pick<ExecSocket, "tell">): () => void {
  const resized = () => {
    const size = terminalSize();
    if (size) socket.tell({ type: "resize", ...size });
  };
  process.stdin.setRawMode(true);
  process.stdout.on("resize", resized);
  // it may have changed since it was asked for
  resized();
  return () => {
    process.stdout.off("resize", resized);
    process.stdin.setRawMode(false);
  };
}

/** Sends stdin up to its end. Ends early when the socket does. */
export async function sendStdin(socket: Pick<ExecSocket, "input" | "tell">): Promise<void> {
  for await (const chunk of process.stdin) await socket.input(chunk as Buffer);
  socket.tell({ type: "eof" });
}
