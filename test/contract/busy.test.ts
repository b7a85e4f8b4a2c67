import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Busy, keepBusy } from "./support/busy.ts";
import type { Client } from "./support/client.ts";
import { expectRefusal } from "./support/expectations.ts";
import { paths } from "./support/listing.ts";
import { rawUpload } from "./support/raw-upload.ts";
import { EM_ROUTES } from "./support/routes.ts";
import { named, other, user } from "./support/session.ts";

let client: Client;
let theirs: Client;
let busy: Busy;
const LOCK_IS_ANSWER = { lockIsAnswer: true };

beforeAll(async () => {
  client = await user();
  theirs = await other();
  busy = await keepBusy(client, 60);
});

afterAll(async () => {
  await busy.end();
});

const locking = EM_ROUTES.filter(({ lock }) => lock).map((route) => [route.path, route] as const);

describe("while a command holds the edge", () => {
  it.each(locking)("%s is 423, and tells its own user by what", async (_path, route) => {
    const answer = await route.call(client, named("busy"), LOCK_IS_ANSWER);
    expectRefusal(answer, 423, "LOCKED");
    expect(answer.json).toEqual({
      error: "LOCKED",
      message: "CG2 is busy",
      data: { operation: "image.build", since: expect.any(String), command_id: busy.commandId },
    });
    expect(Date.parse(answer.json.data.since)).toBeGreaterThan(Date.now() - 10 * 60_000);
    expect(Number(answer.header("retry-after"))).toBeGreaterThan(0);
  });

  it.each(locking)("%s is 423, and tells others only since when", async (_path, route) => {
    const answer = await route.call(theirs, named("busy"), LOCK_IS_ANSWER);
    expectRefusal(answer, 423, "LOCKED");
    expect(answer.json).toEqual({
      error: "LOCKED",
      message: "CG2 is busy",
      data: { since: expect.any(String) },
    });
    expect(Number(answer.header("retry-after"))).toBeGreaterThan(0);
  });

  it("an uplink is refused before its body is read", { tags: ["server"] }, async () => {
    const { request, asked, answer } = rawUpload(client, "/em/files/uplink", {
      "content-type": "multipart/form-data; boundary=b",
      "content-length": "1000000000",
      expect: "100-continue",
    });
    const first = await Promise.race([asked.then(() => "asked"), answer.then(() => "answered")]);
    expect(first).toBe("answered");
    expectRefusal(await answer, 423, "LOCKED");
    request.destroy();
  });

  it("a refused large uplink still hears why", { tags: ["server"] }, async () => {
    const answer = await client.uplink({ a: new Uint8Array(20 * 1024 * 1024) }, {}, LOCK_IS_ANSWER);
    expectRefusal(answer, 423, "LOCKED");
  });

  it("a wrong request is 400, a missing token 401: neither needs the edge", async () => {
    const run = await client.form("/em/pod/run", { image: "x" }, LOCK_IS_ANSWER);
    expectRefusal(run, 400, "INVALID_PARAMETERS");
    const list = await client.get("/em/files/list", { pod_name: "No" }, LOCK_IS_ANSWER);
    expectRefusal(list, 400, "INVALID_PARAMETERS");
  });

  it.each([
    ["/commands", 200],
    ["/edge", 200],
    ["/em/pod/logs?pod_name=never-run", 404],
    ["/healthz", 200],
    ["/metrics", 200],
    ["/openapi.json", 200],
    ["/docs", 200],
  ])("%s answers", async (path, status) => {
    for (const who of [client, theirs]) {
      expect((await who.get(path, {}, LOCK_IS_ANSWER)).status).toBe(status);
    }
  });

  it("the command itself can be asked for, by its own user only", async () => {
    const mine = await client.get(`/commands/${busy.commandId}`);
    expect(mine.json.data).toMatchObject({ state: "running", operation: "image.build", contact: "ok" });
    expectRefusal(await theirs.get(`/commands/${busy.commandId}`), 404, "COMMAND_NOT_FOUND");
    expectRefusal(
      await theirs.request("POST", `/commands/${busy.commandId}/cancel`),
      404,
      "COMMAND_NOT_FOUND",
    );
    expect((await client.get("/edge")).json.data.busy).toMatchObject({ command_id: busy.commandId });
    expect((await theirs.get("/edge")).json.data.busy).toEqual({ since: expect.any(String) });
  });

  it("nothing of what was refused has happened, and it works once the edge is free", async () => {
    const ended = await busy.end();
    expectRefusal(ended, 409, "CANCELLED");
    expect(await paths(client, named("busy"))).toEqual([]);
    expectRefusal(await client.get("/em/pod/status", { pod_name: named("busy") }), 404, "POD_NOT_FOUND");
    const volumes = (await client.get("/em/pvc/list")).json.data.map(({ name }: { name: string }) => name);
    expect(volumes).not.toContain(named("busy"));
  });
});
