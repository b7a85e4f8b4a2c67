import { afterEach, beforeEach, expect, test } from "vitest";
import { GroundClient } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { FEATURES } from "#protocol/older-agents.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";
import { makeWorld, type World } from "#test/support/world.ts";
import { serveFirstGround } from "./support/first-ground.ts";

let world: World;
let first: Awaited<ReturnType<typeof serveFirstGround>>;
beforeEach(async () => {
  world = await makeWorld();
  first = await serveFirstGround(world.url);
});
afterEach(async () => {
  await world.close();
  await first.close(0);
});

test("an agent of this version starts at a ground that has none of the new routes, and does its work", async () => {
  const deleted: string[] = [];
  await world.agent(
    {
      "volume.uplink": async ({ input, manifest, fetch }) => {
        for (const { n } of await manifest()) for await (const _ of await fetch(n));
        return { count: input.count, bytes: input.bytes };
      },
      "volume.delete": async ({ input }) => {
        deleted.push(input.path);
        return {};
      },
      "volume.read": async ({ store }) => {
        const content = await store(0, Buffer.from("downlinked"), 1000);
        return { kind: "file", name: "f", total: 10, etag: '"e"', modified: 0, content };
      },
    },
    { url: first.url },
  );
  const alice = await world.user("alice");
  expect((await alice.uplink({ a: "1" })).status).toBe(200);
  const file = await alice.fetch("/em/files/downlink?filepath=f");
  expect([file.status, await file.text()]).toEqual([200, "downlinked"]);
  const body = new URLSearchParams({ filepath: "x" });
  expect((await alice.fetch("/em/files/delete", { method: "POST", body })).status).toBe(200);
  expect(deleted).toEqual(["x"]);
  // it asked for the new way once, and took the old one
  expect([...first.missed]).toEqual(["transfers"]);
});

test("it says what such a ground lacks", async () => {
  const said: string[] = [];
  const client = new GroundClient({ url: first.url, token: world.agentToken });
  const session = new GroundSession(client, { warn: (text: string) => void said.push(text) } as never);
  const features = Object.values(FEATURES);
  await session.start({ journal: "j", version: "t", operations: OPERATION_NAMES, features });
  expect(session.epoch).toBe(1);
  expect(session.lanes).toBeUndefined();
  expect(said).toEqual(["the ground knows no lanes (version 0.2 or older): it gives one command at a time"]);
  expect(await session.claim({ room: { em: 4 }, have: [] })).toMatchObject({ commands: [] });
  const report = { user: "alice", images: [], volumes: [], truncated: false };
  await expect(session.inventory(report)).rejects.toMatchObject({ code: "NOT_FOUND" });
});
