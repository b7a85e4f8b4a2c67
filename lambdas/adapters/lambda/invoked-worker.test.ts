import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { InvokedWorker } from "./invoked-worker.ts";

const PATH = "/2015-03-31/functions/worker/invocations";
const client = new SQSClient({
  region: "us-east-1",
  credentials: { accessKeyId: "a", secretAccessKey: "b" },
});
const asked: string[] = [];
let status = 202;
const lambda = createServer((incoming, outgoing) => {
  const { authorization = "", "x-amz-invocation-type": type } = incoming.headers;
  asked.push(
    [incoming.method, incoming.url, type, /\/(us-east-1\/lambda)\//.exec(authorization)?.[1]].join(" "),
  );
  outgoing.writeHead(status).end("why");
});
let endpoint: string;
beforeAll(async () => {
  await new Promise<void>((done) => lambda.listen(0, "127.0.0.1", done));
  endpoint = `http://127.0.0.1:${(lambda.address() as AddressInfo).port}`;
});
afterAll(() => {
  client.destroy();
  lambda.close();
});

const wake = async (of: { url: string; endpoint?: string }) => {
  const errors: unknown[] = [];
  await new InvokedWorker({ client, ...of, onError: (error) => errors.push(error) }).wake();
  return errors;
};

it("is invoked without waiting for its end, at its address or an emulator's", async () => {
  const invoked = `POST ${PATH} Event us-east-1/lambda`;
  expect(await wake({ url: endpoint + PATH })).toEqual([]);
  expect(await wake({ url: `https://no.such.host.invalid${PATH}`, endpoint })).toEqual([]);
  expect(asked).toEqual([invoked, invoked]);
});

it("never throws: what fails is told, and the janitor asks again", async () => {
  status = 429;
  const told = expect.objectContaining({ message: "the worker was not invoked: 429 why" });
  expect(await wake({ url: endpoint + PATH })).toEqual([told]);
  for (const url of [`http://127.0.0.1:1${PATH}`, "no address"]) {
    expect(await wake({ url }), url).toEqual([expect.any(Error)]);
  }
});
