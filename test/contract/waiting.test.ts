import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Busy, keepBusy } from "./support/busy.ts";
import type { Answer, Client } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal } from "./support/expectations.ts";
import { paths } from "./support/listing.ts";
import { EM_ROUTES } from "./support/routes.ts";
import { named, other, user } from "./support/session.ts";

let client: Client;
let busy: Busy | undefined;
const ULID = /^[0-9A-HJKMNP-TV-Z]{26}$/;
const ASYNC = { headers: { prefer: "respond-async" }, lockIsAnswer: true };

beforeAll(async () => {
  client = await user();
});

afterEach(async () => {
  await busy?.end();
  busy = undefined;
});

/** 202 with `Location`; the command's id. */
function expectAccepted(answer: Answer): string {
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 202 });
  const id = answer.header("location")!.replace(/^\/commands\//, "");
  expect(id).toMatch(ULID);
  expect(answer.json.data.command_id).toBe(id);
  return id;
}

/** Waits for the end of a command through the resource. */
async function ended(id: string) {
  for (;;) {
    const { data } = (await client.get(`/commands/${id}`, { wait: 20 })).json;
    if (["succeeded", "failed", "cancelled", "expired"].includes(data.state)) return data;
  }
}

describe("Prefer: respond-async", () => {
  it.each(EM_ROUTES.filter(({ lock }) => lock).map((route) => [route.path, route] as const))(
    "%s answers 202 at once",
    async (_path, route) => {
      const answer = await route.call(client, named("async"), ASYNC);
      const id = expectAccepted(answer);
      expect(answer.header("preference-applied")).toBe("respond-async");
      const command = await ended(id);
      expect(["succeeded", "failed"]).toContain(command.state);
      if (command.state === "failed") expect(command.error.code).toMatch(/_NOT_FOUND|_FAILED/);
    },
  );

  it("gives in the command what the call would have answered", async () => {
    await client.uplink({ "a.txt": "abc" }, { pod_name: named("w-result") });
    const list = await client.get("/em/files/list", { pod_name: named("w-result") }, ASYNC);
    const listed = await ended(expectAccepted(list));
    expect(listed).toMatchObject({ state: "succeeded", operation: "volume.list" });
    expect(JSON.stringify(listed.result)).toContain("a.txt");
    const missing = await client.form(
      "/em/files/delete",
      { filepath: "no", pod_name: named("w-result") },
      ASYNC,
    );
    expect(await ended(expectAccepted(missing))).toMatchObject({
      state: "failed",
      error: { code: "DELETE_FAILED" },
    });
  });

  it("still refuses a wrong request at once", async () => {
    expectInvalid(await client.form("/em/pod/stop", { pod_name: "No" }, ASYNC), "pod_name");
  });

  it("queues behind a busy edge, in order, and others are told 423 meanwhile", async () => {
    const volume = named("w-queue");
    busy = await keepBusy(client, 60);
    const ids: string[] = [];
    for (const content of ["first", "second", "third"]) {
      const answer = await client.uplink({ "a.txt": content }, { pod_name: volume }, ASYNC);
      ids.push(expectAccepted(answer));
      expect(answer.json.data.state).toBe("queued");
    }
    const positions = await Promise.all(
      ids.map(async (id) => (await client.get(`/commands/${id}`)).json.data.position),
    );
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(new Set(positions).size).toBe(3);
    expect((await client.get("/edge")).json.data.queued).toBe(3);
    expectRefusal(await client.get("/em/nodes/status", {}, { lockIsAnswer: true }), 423, "LOCKED");
    await busy.end();
    busy = undefined;
    for (const id of ids) expect((await ended(id)).state).toBe("succeeded");
    const answer = await client.get("/em/files/downlink", { filepath: "a.txt", pod_name: volume });
    expect(answer.text).toBe("third");
  });

  it("has room for 20 of a user, then 429", async () => {
    busy = await keepBusy(client, 60);
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) ids.push(expectAccepted(await client.get("/em/nodes/status", {}, ASYNC)));
    const full = await client.get("/em/nodes/status", {}, ASYNC);
    expectRefusal(full, 429, "QUEUE_FULL");
    expect(Number(full.header("retry-after"))).toBeGreaterThan(0);
    // another user has room of their own
    const theirs = await other();
    const answer = await theirs.get("/em/nodes/status", {}, ASYNC);
    expect(answer.status).toBe(202);
    expect((await theirs.request("POST", `${answer.header("location")}/cancel`)).status).toBe(200);
    for (const id of ids) {
      const cancelled = await client.request("POST", `/commands/${id}/cancel`);
      expect(cancelled.json.data.state).toBe("cancelled");
    }
  });
});

describe("Prefer: wait=N", () => {
  it("answers as the contract does when it is done in time", async () => {
    const headers = { prefer: "wait=20" };
    const answer = await client.uplink({ a: "a" }, { pod_name: named("w-wait") }, { headers });
    expect(answer.status).toBe(200);
    expect(answer.header("preference-applied")).toMatch(/wait=20/);
    const missing = await client.get("/em/pod/status", { pod_name: named("never-run") }, { headers });
    expectRefusal(missing, 404, "POD_NOT_FOUND");
  });

  it("is 202 after N seconds, also behind a busy edge", async () => {
    busy = await keepBusy(client, 60);
    const headers = { prefer: "wait=1" };
    const start = performance.now();
    const answer = await client.get("/em/nodes/status", {}, { headers, lockIsAnswer: true });
    expect(performance.now() - start).toBeGreaterThan(900);
    const id = expectAccepted(answer);
    await busy.end();
    busy = undefined;
    expect((await ended(id)).state).toBe("succeeded");
  });

  it("knows both together, and ignores what it does not know", async () => {
    const headers = { prefer: 'respond-async, wait=20, handling=lenient; x="y"' };
    expect((await client.get("/em/nodes/status", {}, { headers })).status).toBe(200);
    const unknown = { headers: { prefer: "return=minimal, wait=soon" } };
    expect((await client.get("/em/nodes/status", {}, unknown)).status).toBe(200);
  });
});

describe("Idempotency-Key", () => {
  const keyed = (key: string) => ({ headers: { "idempotency-key": named(key) } });

  it("answers a repeat as the first call, and does nothing again", async () => {
    const volume = named("w-idem");
    await client.uplink({ a: "a" }, { pod_name: volume });
    const remove = () => client.form("/em/files/delete", { filepath: "a", pod_name: volume }, keyed("del"));
    expectOk(await remove(), { message: "File deleted successfully" });
    await client.uplink({ a: "again" }, { pod_name: volume });
    expectOk(await remove(), { message: "File deleted successfully" });
    expect(await paths(client, volume)).toEqual(["a"]);
  });

  it("also repeats a failure", async () => {
    const volume = named("w-fail");
    const remove = () => client.form("/em/files/delete", { filepath: "b", pod_name: volume }, keyed("fail"));
    expectRefusal(await remove(), 400, "DELETE_FAILED");
    await client.uplink({ b: "b" }, { pod_name: volume });
    expectRefusal(await remove(), 400, "DELETE_FAILED");
    expect(await paths(client, volume)).toEqual(["b"]);
  });

  it("takes another way of writing the same request for the same", async () => {
    const volume = named("w-same");
    await client.uplink({ c: "c" }, { pod_name: volume });
    const first = await client.json("/em/files/delete", { pod_name: volume, filepath: "./c" }, keyed("same"));
    expect(first.status).toBe(200);
    const again = await client.encoded(
      "/em/files/delete",
      { filepath: "c", pod_name: volume },
      keyed("same"),
    );
    expect(again.status).toBe(200);
  });

  it("with another body is 422", async () => {
    const send = (pod_name: string) => client.form("/em/pod/stop", { pod_name }, keyed("other"));
    expectRefusal(await send(named("one")), 404, "POD_NOT_FOUND");
    expectRefusal(await send(named("two")), 422, "IDEMPOTENCY_KEY_REUSED");
  });

  it("is each user's own, and each route's", async () => {
    const key = keyed("shared");
    expect((await client.get("/em/nodes/status", {}, key)).status).toBe(200);
    expect((await client.get("/em/pvc/list", {}, key)).json.message).toBe("Successfully listed volumes");
    expect((await (await other()).get("/em/nodes/status", {}, key)).status).toBe(200);
  });

  it("a replay needs no free edge, and a running one is waited for", async () => {
    const key = keyed("busy");
    const first = await client.get("/em/nodes/status", {}, key);
    busy = await keepBusy(client, 60);
    const replay = await client.get("/em/nodes/status", {}, { ...key, lockIsAnswer: true });
    expect(replay.json).toEqual(first.json);
  });

  it("of a refused request stores nothing", async () => {
    const key = keyed("refused");
    busy = await keepBusy(client, 60);
    const refused = await client.get("/em/nodes/status", {}, { ...key, lockIsAnswer: true });
    expectRefusal(refused, 423, "LOCKED");
    await busy.end();
    busy = undefined;
    expect((await client.get("/em/nodes/status", {}, key)).status).toBe(200);
  });

  it("that is too long is 400", async () => {
    const headers = { "idempotency-key": "k".repeat(300) };
    expectRefusal(await client.get("/em/nodes/status", {}, { headers }), 400, "INVALID_PARAMETERS");
  });
});
