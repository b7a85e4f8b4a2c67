import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeWorld, type UserClient, type World } from "#test/support/world.ts";

let world: World;
let user: UserClient;

beforeAll(async () => {
  world = await makeWorld();
  user = await world.user("ada");
  await world.agent({
    "volume.list": async () => ({ listing: "[]", truncated: false }),
    "nodes.status": async () => ({ nodes: [] }),
    "volumes.list": async () => ({ volumes: [] }),
    "image.list": async () => ({ images: [] }),
    "file.delete": async () => ({}),
  });
});
afterAll(() => world?.close());

describe("no answer of text is taken for something else by a browser", () => {
  test.each([
    "/em/files/list",
    "/em/nodes/status",
    "/em/pvc/list",
    "/em/pod/image/list",
    "/em/pod/logs",
    "/em/files/downlink",
    "/em/files/downlink?filepath=../x",
    "/commands",
    "/commands/none",
    "/edge",
    "/nowhere",
    "/healthz",
    "/metrics",
    "/openapi.json",
  ])("GET %s", async (path) => {
    const answer = await user.fetch(path);
    expect(answer.status).toBeLessThan(500);
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(answer.headers.get("cache-control")).toBe("private, no-store");
    await answer.body?.cancel();
  });

  test.each(["/auth/", "/auth/refresh", "/em/files/delete", "/em/files/uplink", "/em/pod/run"])(
    "POST %s",
    async (path) => {
      const answer = await user.fetch(path, {
        method: "POST",
        body: new URLSearchParams({ filepath: "<b>" }),
      });
      expect(answer.status).toBeLessThan(500);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      expect(answer.headers.get("cache-control")).toBe("private, no-store");
    },
  );

  test("an accepted command, and tokens", async () => {
    const accepted = await user.fetch("/em/nodes/status", { headers: { prefer: "respond-async" } });
    expect(accepted.status).toBe(202);
    expect(accepted.headers.get("x-content-type-options")).toBe("nosniff");
    expect(accepted.headers.get("cache-control")).toBe("private, no-store");
  });
});
