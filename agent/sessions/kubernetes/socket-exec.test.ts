import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { SocketExec } from "./socket-exec.ts";

/** A cluster that speaks the protocol it is told to, and answers as the test says. */
let server: WebSocketServer;
beforeAll(async () => {
  server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    handleProtocols: (protocols) => [...protocols][0] ?? false,
  });
  await once(server, "listening");
});
afterAll(() => {
  for (const client of server.clients) client.terminate();
  server.close();
});

async function connect(protocol: string, isRunning = async () => true) {
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, "connection");
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, [protocol]);
  await once(socket, "open");
  const [peer] = (await accepted) as [WebSocket];
  const hasDied = async () => !(await isRunning());
  return { exec: new SocketExec(socket, { isRunning, hasDied }), peer };
}
const said = async (exec: SocketExec) => {
  const pieces: string[] = [];
  for await (const { stream, data } of exec.output) pieces.push(`${stream} ${data}`);
  return pieces;
};
const status = (object: object) => Buffer.concat([Buffer.from([3]), Buffer.from(JSON.stringify(object))]);

test("streams, input and its end, exit code (v5)", async () => {
  const { exec, peer } = await connect("v5.channel.k8s.io");
  const heard: Buffer[] = [];
  const both = new Promise<void>((resolve) => {
    peer.on("message", (data: Buffer) => heard.push(data) === 3 && resolve());
  });
  await exec.write(Buffer.from("in"));
  await exec.resize({ rows: 3, columns: 9 });
  await exec.endInput();
  await both;
  expect(heard.map(String)).toEqual(["\0in", '\x04{"Width":9,"Height":3}', Buffer.from([255, 0]).toString()]);
  peer.send(Buffer.from("\x01out"));
  peer.send(Buffer.from("\x02err"));
  const causes = [{ reason: "ExitCode", message: "7" }];
  peer.send(status({ status: "Failure", reason: "NonZeroExitCode", details: { causes } }));
  peer.close();
  expect(await said(exec)).toEqual(["stdout out", "stderr err"]);
  expect(await exec.exit()).toBe(7);
});

test("v4 has no end of input", async () => {
  const { exec } = await connect("v4.channel.k8s.io");
  await expect(exec.endInput()).rejects.toMatchObject({ code: "NO_END_OF_INPUT" });
  exec.cut();
  expect(await said(exec)).toEqual([]);
});

test.each([
  [
    "a container that ended with it",
    {
      status: "Failure",
      reason: "NonZeroExitCode",
      details: { causes: [{ reason: "ExitCode", message: "137" }] },
    },
    false,
    "GONE",
  ],
  ["what the node could not start", { status: "Failure", message: "no such file" }, true, "CANNOT_START"],
  ["a stream that broke off", undefined, true, "ENGINE"],
  ["one whose container is gone", undefined, false, "GONE"],
])("%s", async (_, object, running, code) => {
  const { exec, peer } = await connect("v5.channel.k8s.io", async () => running);
  if (object) peer.send(status(object));
  peer.close();
  await said(exec);
  await expect(exec.exit()).rejects.toMatchObject({ code });
});

test("what nobody takes is not read: the server is held back", async () => {
  const { exec, peer } = await connect("v5.channel.k8s.io");
  const piece = Buffer.alloc(32 * 1024, 1);
  const total = 64 * 1024 * 1024;
  let sent = 0;
  for (; sent < total; sent += piece.length) peer.send(piece);
  const output = exec.output[Symbol.asyncIterator]();
  await output.next();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(peer.bufferedAmount).toBeGreaterThan(total / 2);
  exec.cut();
});
