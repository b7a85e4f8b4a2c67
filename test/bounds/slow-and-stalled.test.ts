import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serve } from "#lambdas/http/serve.ts";
import { Client } from "#test/contract/support/client.ts";
import { rawUpload } from "#test/contract/support/raw-upload.ts";
import { makeWorld, type World } from "#test/support/world.ts";

/** Stands for the two minutes of real life. */
const IDLE_MS = 2_000;
const PIECES = 40;
const PIECE_MS = 100;
const HEADERS = {
  "content-type": "multipart/form-data; boundary=x",
  "transfer-encoding": "chunked",
};
const HEAD = '--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n';

let world: World;
let server: Awaited<ReturnType<typeof serve>>;
let client: Client;

beforeAll(async () => {
  world = await makeWorld();
  server = await serve(world.ground.app, { host: "127.0.0.1", port: 0, idleMs: IDLE_MS });
  const { token } = await world.user("ada");
  client = new Client(server.url, token);
  await world.agent({
    "volume.uplink": async ({ input, manifest }) => {
      await manifest();
      return { count: input.count, bytes: input.bytes };
    },
    // longer than a body may stand still
    "nodes.status": () => pause(2 * IDLE_MS, { nodes: [] }),
  });
});
afterAll(async () => {
  await server?.close(0);
  await world?.close();
});

describe("an uplink", () => {
  test("has no time limit in all: Node's own would cut it after 300 s", () => {
    expect(server.server.requestTimeout).toBe(0);
    expect(server.server.timeout).toBe(0);
  });

  test("has 30 s for its headers", () => {
    expect(server.server.headersTimeout).toBe(30_000);
  });

  test("that is slow but moves is taken, however long it takes", async () => {
    const upload = rawUpload(client, "/em/files/uplink", HEADERS);
    await upload.write(HEAD);
    for (let i = 0; i < PIECES; i++) {
      await upload.write("piece");
      await pause(PIECE_MS);
    }
    upload.request.end("\r\n--x--\r\n");
    const { status, json } = await upload.answer;
    expect({ status, json }).toMatchObject({ status: 200, json: { data: { file_count: 1 } } });
  });

  test("that stands still is cut, and nothing of it stays", async () => {
    const upload = rawUpload(client, "/em/files/uplink", HEADERS);
    await upload.write(`${HEAD}piece`);
    await expect(upload.answer).rejects.toThrow();
    for (;;) {
      const { data } = (await client.get("/commands", { limit: 1 })).json;
      expect(data[0].operation).toBe("volume.uplink");
      if (data[0].state === "staging") continue;
      expect(data[0].state).toBe("failed");
      break;
    }
    while ((await world.ground.staging.list("uplink/ada/")).length > 0) await pause(20);
    expect(await world.ground.staging.usage("uplink/ada/")).toBe(0);
  });
});

test("an answer may be longer in coming than a body may stand still", async () => {
  const answer = await client.form("/em/nodes/status", { unknown: "x".repeat(1000) });
  expect(answer.status).toBe(200);
});
