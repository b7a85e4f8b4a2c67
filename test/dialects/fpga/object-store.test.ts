import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type http from "node:http";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { groundSettings } from "#lambdas/ground-settings.ts";
import { MiB } from "#protocol/limits.ts";
import { send } from "#test/contract/fpga/support/send.ts";
import { makeCertificate } from "#test/support/certificate.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { signObjects } from "#test/support/fpga/sign-objects.ts";
import { type FpgaGround, type FpgaGroundOptions, startFpgaGround } from "./support/fpga-ground.ts";

/** A client of a ground's store, with a key of its user `ada`. */
async function clientOf(ground: FpgaGround) {
  const key = await ground.parts.keys.create(ground.project(), Date.now());
  return (method: string, target: string, headers: Record<string, string> = {}, body?: Uint8Array) => {
    const given = { date: new Date().toUTCString(), ...headers };
    const authorization = signObjects({ ...key, method, target, headers: given });
    const sent = { headers: { ...given, authorization }, ...(body && { body }) };
    return send(ground.objectStore!, method, target, sent);
  };
}

it("an object over the quota is refused before it is sent and while it is, and nothing of it stays", async () => {
  const quota = 6 * MiB;
  const ground = await startFpgaGround({ obsPort: 0, quota });
  try {
    const client = await clientOf(ground);
    const refused = { status: 403, text: expect.stringContaining("<Code>QuotaExceeded</Code>") };
    const announced = { expect: "100-continue", "content-length": String(quota + 1) };
    expect(await client("PUT", "/abc/a.bin", announced)).toMatchObject(refused);
    expect(await client("PUT", "/abc/a.bin", {}, Buffer.alloc(quota + 1))).toMatchObject(refused);
    const md5 = { "content-md5": Buffer.alloc(16).toString("base64") };
    expect((await client("PUT", "/abc/a.bin", md5, Buffer.of(1))).status).toBe(400);
    expect((await client("GET", "/abc/a.bin")).status).toBe(404);
    expect(await ground.ground.staging.list("fpga/")).toEqual([]);
    expect(await ground.parts.userObjects.buckets.arriving(ground.project().uid)).toEqual([]);
    expect(await ground.core.bytesLeft("ada", "em1")).toBe(quota);
  } finally {
    await ground.stop();
  }
});

it("an object for which the disk has no room is refused as one that may come later, and nothing of it stays", async () => {
  const ground = await startFpgaGround({ obsPort: 0, freeFloorBytes: Number.MAX_SAFE_INTEGER });
  try {
    const client = await clientOf(ground);
    const refused = { status: 503, text: expect.stringContaining("<Code>ServiceUnavailable</Code>") };
    expect(await client("PUT", "/abc/a.bin", {}, Buffer.alloc(MiB))).toMatchObject(refused);
    expect((await client("GET", "/abc/a.bin")).status).toBe(404);
    expect(await ground.ground.staging.list("fpga/")).toEqual([]);
    expect(await ground.parts.userObjects.buckets.arriving(ground.project().uid)).toEqual([]);
  } finally {
    await ground.stop();
  }
});

it("an image has no log in the store before the edge has it", async () => {
  const ground = await startFpgaGround({ obsPort: 0 });
  try {
    const client = await clientOf(ground);
    expect((await client("PUT", "/obs-fpga/fpga.bin", {}, buildRawStream())).status).toBe(200);
    const id = await ground.register();
    await ground.checked();
    const log = `/obs-fpga/fpga-log/${id}_log.tar`;
    const none = { status: 404, text: expect.stringContaining("<Code>NoSuchKey</Code>") };
    expect(await client("GET", log)).toMatchObject(none);
    const agent = await ground.startAgent();
    const [command] = await agent.claim();
    const { sha256, bytes } = command!.input as { sha256: string; bytes: number };
    await agent.report(command!, {
      state: "succeeded",
      result: { sha256, bytes, log: "received\nstored\n" },
    });
    expect(await client("GET", log)).toMatchObject({
      status: 200,
      text: expect.stringContaining("received\nstored\n"),
    });
  } finally {
    await ground.stop();
  }
});

it("the port is the operator's, and the store speaks TLS where the ground does", async () => {
  for (const value of ["x", "-1", "65536", "1.5"]) {
    const environment = { PERIGEE_DIALECTS: "em,fpga", PERIGEE_OBS_PORT: value };
    expect(() => groundSettings(environment), value).toThrow(/^PERIGEE_OBS_PORT: "/);
  }
  expect((await startedAndStopped({})).objectStore).toBeUndefined();
  const directory = await mkdtemp(join(tmpdir(), "perigee-fpga-tls-"));
  try {
    const files = await makeCertificate(directory, "store");
    const [cert, key] = [await readFile(files.cert, "utf8"), await readFile(files.key, "utf8")];
    const { objectStore, status } = await startedAndStopped({ obsPort: 0, tls: { cert, key } }, cert);
    expect(objectStore).toMatch(/^https:/);
    expect(status).toBe(200);
  } finally {
    await rm(directory, { recursive: true });
  }
});

/** A ground with these options, and what its store answers to a signed request. */
async function startedAndStopped(options: FpgaGroundOptions, ca?: string) {
  const other = await startFpgaGround(options);
  try {
    const { objectStore } = other;
    if (objectStore === undefined) return { objectStore };
    const key = await other.parts.keys.create(other.project(), Date.now());
    const headers = { date: new Date().toUTCString() };
    const authorization = signObjects({ ...key, method: "GET", target: "/", headers });
    const request = https.get(objectStore, { headers: { ...headers, authorization }, ca, agent: false });
    const [answer] = (await once(request, "response")) as [http.IncomingMessage];
    answer.resume();
    return { objectStore, status: answer.statusCode };
  } finally {
    await other.stop();
  }
}
