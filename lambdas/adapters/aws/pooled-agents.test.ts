import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, createConnection } from "node:net";
import { GetQueueUrlCommand, SQSClient } from "@aws-sdk/client-sqs";
import { expect, onTestFinished, test } from "vitest";
import { clientSettings } from "./client-settings.ts";

const CONNECT_MS = 100;
const place = { region: "us-east-1", credentials: { accessKeyId: "a", secretAccessKey: "b" } };

function clientAt(port: number, pool: { sockets?: number; connectMs: number }): SQSClient {
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new SQSClient({ ...clientSettings({ ...place, endpoint }, pool), maxAttempts: 1 });
  onTestFinished(() => client.destroy());
  return client;
}

const ask = (client: SQSClient) => client.send(new GetQueueUrlCommand({ QueueName: "q" }));

test("a request may wait for a socket for longer than a connection may take", async () => {
  const server = createServer((request, response) => {
    request.resume();
    setTimeout(() => response.end('{"QueueUrl":"http://q"}'), 3 * CONNECT_MS);
  });
  onTestFinished(() => void server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const client = clientAt((server.address() as AddressInfo).port, { sockets: 1, connectMs: CONNECT_MS });
  const answers = await Promise.all([1, 2, 3, 4].map(() => ask(client)));
  expect(answers.map(({ QueueUrl }) => QueueUrl)).toEqual(Array(4).fill("http://q"));
});

/** Listens and accepts nothing: the kernel takes what its short queue holds, and then no more. */
const DEAF = `
  const server = require("node:net").createServer();
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    require("node:fs").writeSync(1, String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

test("a server that takes no connections is given up, as a time-out that the SDK tries again", async () => {
  const child = spawn(process.execPath, ["-e", DEAF], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [port] = await once(child.stdout, "data");
  for (let full = 0; full < 8; full++) {
    const filler = createConnection(Number(port), "127.0.0.1").on("error", () => {});
    onTestFinished(() => void filler.destroy());
  }
  const client = clientAt(Number(port), { connectMs: CONNECT_MS });
  await expect(ask(client)).rejects.toMatchObject({
    name: "TimeoutError",
    code: "ETIMEDOUT",
    message: expect.stringContaining(`${CONNECT_MS} ms`),
  });
});
