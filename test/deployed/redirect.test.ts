import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DeployedEdge, deployedEdge } from "./support/deployed-edge.ts";

/** More than a buffered function URL answers. */
const bytes = Buffer.alloc(7 << 20, "perigee ");
let at: DeployedEdge;
beforeAll(async () => {
  at = await deployedEdge({
    "volume.read": async ({ store }) => ({
      kind: "file",
      name: "large.bin",
      total: bytes.length,
      etag: '"v1"',
      modified: Date.parse("2025-11-20T12:31:12Z"),
      content: await store(0, Readable.from([bytes]), bytes.length),
    }),
  });
});
afterAll(() => at.close());

test("content over what a Lambda answers is led to, signed, without the token, whole and in parts", async () => {
  const { client } = at.users[0]!;
  const answer = await client.get("/em/files/downlink", { filepath: "large.bin", pod_name: "p" });
  expect(answer.status).toBe(302);
  expect(answer.header("etag")).toBe('"v1"');
  const location = answer.header("location")!;
  const got = await fetch(location);
  expect(got.status).toBe(200);
  expect(got.headers.get("content-disposition")).toBe('attachment; filename="large.bin"');
  expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true);
  const part = await fetch(location, { headers: { range: "bytes=8-15" } });
  expect([part.status, await part.text()]).toEqual([206, "perigee "]);
  // signed for this object alone, and for reading
  const other = new URL(location);
  other.pathname += "x";
  expect((await fetch(other)).status).toBe(403);
  expect((await fetch(location, { method: "PUT", body: "x" })).status).toBe(403);
});
