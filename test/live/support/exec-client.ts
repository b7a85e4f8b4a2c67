import { once } from "node:events";
import { WebSocket } from "ws";

/** A user's end of `perigee.exec.v1`. */
export async function connectExec(url: string, options: { protocols?: string[]; origin?: string } = {}) {
  const { protocols = ["perigee.exec.v1"], origin } = options;
  const ws = new WebSocket(url, protocols, { ...(origin && { origin }) });
  const out: Record<number, Buffer[]> = { 1: [], 2: [] };
  const control: { type: string; [field: string]: unknown }[] = [];
  ws.on("message", (data: Buffer) => {
    if (data[0] === 3) control.push(JSON.parse(data.subarray(1).toString()));
    else out[data[0]!]!.push(data.subarray(1));
  });
  const closed = new Promise<number>((resolve) => ws.once("close", resolve));
  ws.on("error", () => {});
  await once(ws, "open");
  const send = (kind: number, data: string | Uint8Array) =>
    ws.send(Buffer.concat([Buffer.from([kind]), Buffer.from(data as string)]));
  return {
    ws,
    control,
    /** Resolves with the close code. */
    closed,
    stdout: () => Buffer.concat(out[1]!),
    stderr: () => Buffer.concat(out[2]!),
    stdin: (data: string | Uint8Array) => send(0, data),
    tell: (message: object) => send(3, JSON.stringify(message)),
  };
}

/** Status and body of a refused upgrade. */
export async function refusal(url: string, options: { protocols?: string[]; origin?: string } = {}) {
  const { protocols = ["perigee.exec.v1"], origin } = options;
  const ws = new WebSocket(url, protocols, { ...(origin && { origin }) });
  ws.on("error", () => {});
  const [, answer] = await once(ws, "unexpected-response");
  let text = "";
  for await (const chunk of answer) text += chunk;
  ws.terminate();
  return { status: answer.statusCode as number, error: (JSON.parse(text) as { error: string }).error };
}
