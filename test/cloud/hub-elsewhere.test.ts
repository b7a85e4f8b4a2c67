import { randomBytes } from "node:crypto";
import { type AddressInfo, connect } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import tls from "node:tls";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { openBucket } from "#lambdas/adapters/s3/foreign/bucket.ts";
import { MiB } from "#protocol/limits.ts";
import { formOf } from "#test/dialects/unik/support/form-of.ts";
import { PlayedEdge } from "#test/dialects/unik/support/played-edge.ts";
import { startUnikGround, type UnikGround } from "#test/dialects/unik/support/unik-ground.ts";
import { makeTrustedCertificate } from "#test/support/trusted-certificate.ts";
import { awsAt, CREDENTIALS, makeBucket } from "./support/aws.ts";

let aws: ReturnType<typeof awsAt>;
let front: tls.Server;
let distrust: () => void;
let ground: UnikGround;
let edge: PlayedEdge;
let bucket: string;
let port: number;
beforeAll(async () => {
  const { hostname, port: inner } = new URL(inject("awsEndpoint"));
  aws = awsAt(inject("awsEndpoint"));
  const trusted = await makeTrustedCertificate();
  distrust = trusted.distrust;
  front = tls.createServer(trusted, (socket) => {
    const behind = connect(Number(inner), hostname);
    behind.on("error", () => socket.destroy());
    socket.on("error", () => behind.destroy());
    socket.pipe(behind).pipe(socket);
  });
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  ({ port } = front.address() as AddressInfo);
  ground = await startUnikGround({ settings: { PERIGEE_UNIK_HUBS: `localhost:${port}=127.0.0.1+::1` } });
  edge = new PlayedEdge(await ground.startAgent()).start();
});
afterAll(async () => {
  await edge?.stop();
  await ground?.stop();
  distrust?.();
  front?.close();
  aws?.close();
});
beforeEach(async () => {
  bucket = await makeBucket(aws.s3);
});

const post = (user: "ada" | "bob", path: string, at = `https://localhost:${port}/${bucket}/a b`) => {
  const body = { URL: at, Username: CREDENTIALS.accessKeyId, Password: CREDENTIALS.secretAccessKey };
  return ground[user]("POST", `/unik/images/${path}`, { body: JSON.stringify(body) });
};
const keys = async () => {
  const { Contents = [] } = await aws.s3.send(new ListObjectsV2Command({ Bucket: bucket }));
  return Contents.map(({ Key }) => Key);
};
const read = async (Key: string) => {
  const { Body } = await aws.s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
  return (await Body!.transformToString()).toString();
};

test("what is pushed to S3 is pulled from there, and goes with remote-delete", async () => {
  const form = formOf([["tarfile", "x", "t"]]);
  const made = await ground.ada(
    "POST",
    "/unik/images/app/create?provider=docker&base=docker&lang=native",
    form,
  );
  expect(made.status).toBe(201);
  const pushed = await post("ada", "push/app");
  expect([pushed.status, pushed.text]).toEqual([202, ""]);
  const at = "a b/unik-hub/ada/app/latest";
  expect(await keys()).toEqual([at, `${at}.json`]);
  expect(await read(at)).toMatch(/^archive /);
  expect(JSON.parse(await read(`${at}.json`))).toMatchObject({ Name: "app", Infrastructure: "DOCKER" });

  const pull = async (query = "") => {
    const { status, text } = await post("bob", `pull/app?provider=docker&force=true${query}`);
    return [status, text];
  };
  expect(await pull()).toEqual([202, ""]);
  expect((await ground.bob("GET", "/unik/images/app")).status).toBe(200);
  expect(await pull("&owner=bob")).toEqual([404, "image app not found"]);

  // the archive is replaced by another hand, and what tells of it is not
  await aws.s3.send(new PutObjectCommand({ Bucket: bucket, Key: at, Body: "another" }));
  expect(await pull()).toEqual([404, "image app not found"]);

  expect((await post("bob", "remote-delete/app")).status).toBe(404);
  expect((await post("ada", "remote-delete/app")).status).toBe(202);
  expect(await keys()).toEqual([]);
  expect(await pull()).toEqual([404, "image app not found"]);
  for (const prefix of ["uplink/", "downlink/"]) expect(await ground.core.staging.list(prefix)).toEqual([]);
});

test("a bucket that is not there is told of, another address is refused", async () => {
  const missing = await post("ada", "pull/app?provider=docker", `https://localhost:${port}/no-such-bucket`);
  expect([missing.status, missing.headers["perigee-error"]]).toEqual([502, "HUB_FAILED"]);
  for (const url of [
    `https://127.0.0.1:${port}/${bucket}`,
    `s3://${bucket}`,
    `http://localhost:${port}/${bucket}`,
  ]) {
    const { status, text } = await post("ada", "push/app", url);
    expect([status, text]).toEqual([400, `hub '${url}' is not allowed on this ground`]);
  }
  expect(await keys()).toEqual([]);
});

test("an archive of many parts goes there and back", async () => {
  const place = { host: "localhost", port, bucket, region: "us-east-1", internal: ["127.0.0.1", "::1"] };
  const hub = await openBucket(place, {
    accessKey: CREDENTIALS.accessKeyId,
    secretKey: CREDENTIALS.secretAccessKey,
  });
  const content = randomBytes(20 * MiB + 7);
  await hub.put("large", Readable.from(pieces(content)), content.length);
  expect(await hub.size("large")).toBe(content.length);
  expect((await buffer((await hub.get("large"))!)).equals(content)).toBe(true);
  // longer than was said: nothing of it is there
  await expect(hub.put("long", Readable.from(pieces(content)), 10 * MiB)).rejects.toMatchObject({
    kind: "failed",
  });
  expect([await hub.size("long"), await hub.get("none"), await hub.names("none/")]).toEqual([
    undefined,
    undefined,
    { names: [], isWhole: true },
  ]);
  await hub.remove("large");
  await hub.remove("large");
  expect(await keys()).toEqual([]);
  hub.close();
});

function* pieces(content: Buffer) {
  for (let at = 0; at < content.length; at += 64 * 1024) yield content.subarray(at, at + 64 * 1024);
}
