import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Busy, keepBusy } from "./support/busy.ts";
import type { Client, Query } from "./support/client.ts";
import { expectInvalid, expectRefusal } from "./support/expectations.ts";
import { paths } from "./support/listing.ts";
import { named, other, user } from "./support/session.ts";

let client: Client;
let busy: Busy | undefined;
const ASYNC = { headers: { prefer: "respond-async" }, lockIsAnswer: true };

beforeAll(async () => {
  client = await user();
  for (let i = 0; i < 3; i++) await client.get("/em/nodes/status");
});

afterEach(async () => {
  await busy?.end();
  busy = undefined;
});

const page = async (query: Query = {}) => (await client.get("/commands", query)).json;
const cancel = (id: string, of = client) => of.request("POST", `/commands/${id}/cancel`);
const idOf = (command: { command_id: string }) => command.command_id;

describe("GET /commands", () => {
  it("has the user's own, newest first", async () => {
    await client.get("/em/pvc/list");
    const { data } = await page({ limit: 5 });
    expect(data).toHaveLength(5);
    expect(data[0]).toMatchObject({
      operation: "volumes.list",
      state: "succeeded",
      attempts: 1,
      command_id: expect.stringMatching(/^[0-9A-Z]{26}$/),
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
      ended_at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const times = data.map(({ created_at }: { created_at: string }) => created_at);
    expect(times).toEqual([...times].sort().reverse());
  });

  it("comes in pages", async () => {
    const all = (await page({ limit: 4 })).data.map(idOf);
    const first = await page({ limit: 2 });
    const second = await page({ limit: 2, before: first.next });
    expect([...first.data, ...second.data].map(idOf)).toEqual(all);
  });

  it("has nothing of another user", async () => {
    const mine = new Set((await page({ limit: 200 })).data.map(idOf));
    const theirs = await other();
    await theirs.get("/em/nodes/status");
    const { data } = (await theirs.get("/commands", { limit: 200 })).json;
    expect(data.length).toBeGreaterThan(0);
    expect(data.map(idOf).filter((id: string) => mine.has(id))).toEqual([]);
  });

  it("can be narrowed to a state", async () => {
    await client.get("/em/pod/status", { pod_name: named("never-run") });
    const { data } = await page({ state: "failed", limit: 5 });
    expect(data[0]).toMatchObject({ state: "failed", error: { code: "POD_NOT_FOUND" } });
    expect(new Set(data.map(({ state }: { state: string }) => state))).toEqual(new Set(["failed"]));
  });

  it.each([
    ["limit", "0"],
    ["limit", "x"],
    ["limit", "100000"],
    ["state", "nonsense"],
  ])("%s=%s is 400", async (field, value) => {
    expectInvalid(await client.get("/commands", { [field]: value }), field);
  });
});

describe("GET /commands/{id}", () => {
  it("of an unknown one, or another user's, is 404", async () => {
    const [{ command_id }] = (await page({ limit: 1 })).data;
    for (const id of ["01JD0000000000000000000001", "nonsense", "..%2f..%2fedge"]) {
      expectRefusal(await client.get(`/commands/${id}`), 404, "COMMAND_NOT_FOUND");
    }
    expectRefusal(await (await other()).get(`/commands/${command_id}`), 404, "COMMAND_NOT_FOUND");
  });

  it("with a wait that is none is 400", async () => {
    const [{ command_id }] = (await page({ limit: 1 })).data;
    for (const wait of ["x", "-1", "1e9"]) {
      expectInvalid(await client.get(`/commands/${command_id}`, { wait }), "wait");
    }
  });

  it("waits for a change", async () => {
    busy = await keepBusy(client, 60);
    const answer = await client.get("/em/nodes/status", {}, ASYNC);
    const id = answer.json.data.command_id;
    const waited = client.get(`/commands/${id}`, { wait: 30 });
    await cancel(id);
    expect((await waited).json.data.state).toBe("cancelled");
    // nothing more will change: it answers at once
    expect((await client.get(`/commands/${id}`, { wait: 60 })).json.data.state).toBe("cancelled");
  });
});

describe("cancelling", () => {
  it("a queued one ends it at once, and it never happens", async () => {
    busy = await keepBusy(client, 60);
    const volume = named("c-queued");
    const answer = await client.uplink({ a: "a" }, { pod_name: volume }, ASYNC);
    const id = answer.json.data.command_id;
    const cancelled = await cancel(id);
    expect(cancelled.status).toBe(200);
    expect(cancelled.json.data).toMatchObject({ command_id: id, state: "cancelled" });
    // saying it twice does no harm
    expect((await cancel(id)).json.data).toMatchObject({ command_id: id, state: "cancelled" });
    await busy.end();
    expect(await paths(client, volume)).toEqual([]);
  });

  it("a running one stops it on the edge", async () => {
    busy = await keepBusy(client, 60);
    const answer = await cancel(busy.commandId);
    expect([200, 202]).toContain(answer.status);
    expectRefusal(await busy.answer, 409, "CANCELLED");
    const { data } = (await client.get(`/commands/${busy.commandId}`)).json;
    expect(data.state).toBe("cancelled");
  });

  it("one that has ended is 409, an unknown or another user's 404", async () => {
    await client.get("/em/nodes/status");
    const [{ command_id }] = (await page({ limit: 1 })).data;
    expectRefusal(await cancel(command_id), 409, "NOT_CANCELLABLE");
    expectRefusal(await cancel("01JD0000000000000000000001"), 404, "COMMAND_NOT_FOUND");
    expectRefusal(await cancel(command_id, await other()), 404, "COMMAND_NOT_FOUND");
  });
});

describe("a caller that hangs up", () => {
  it("cancels nothing", async () => {
    const volume = named("c-hangup");
    await client.uplink({ a: "a" }, { pod_name: volume });
    busy = await keepBusy(client, 60);
    const gone = new AbortController();
    const call = client
      .form(
        "/em/files/delete",
        { filepath: "a", pod_name: volume },
        { headers: { prefer: "wait=60" }, signal: gone.signal },
      )
      .catch((error: Error) => error.name);
    const queued = async () => (await page({ limit: 1, state: "queued" })).data[0];
    while ((await queued())?.operation !== "file.delete") {}
    gone.abort();
    expect(await call).toBe("AbortError");
    await busy.end();
    expect(await paths(client, volume)).toEqual([]);
  });
});
