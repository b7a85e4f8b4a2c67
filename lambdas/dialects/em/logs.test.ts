import { afterEach, beforeEach, expect, test } from "vitest";
import type { PodLogs } from "#lambdas/logs/pod-logs.ts";
import { EmServer } from "#test/support/em-server.ts";

let em: EmServer;
let logs: PodLogs;
let runs: { run: string; terminated: boolean }[];
const OLD = "01JD0000000000000000000001";
const NEW = "01JD0000000000000000000002";
const of = { edge: "cg2", user: "client1", pod: "pod-a" };

beforeEach(async () => {
  runs = [
    { run: NEW, terminated: false },
    { run: OLD, terminated: true },
  ];
  em = await EmServer.start({
    runs: { find: async (asked) => (JSON.stringify(asked) === JSON.stringify(of) ? runs : []) },
  });
  logs = em.podLogs;
  await append(OLD, 0, "2025-11-20T12:00:00Z old\n");
  await append(NEW, 0, "2025-11-20T12:31:12Z one\n2025-11-20T12:31:13Z two\n2025-11-20T12:31:14Z three\n");
});
afterEach(() => em.stop());

const append = (run: string, seq: number, text: string) =>
  logs.append({ ...of, run, seq, data: Buffer.from(text) });
const get = (query = "") => em.fetch(`/em/pod/logs?pod_name=pod-a${query}`);

test.each([
  ["", "one\ntwo\nthree\n"],
  ["&tail=1", "three\n"],
  ["&tail=0", ""],
  ["&tail=all", "one\ntwo\nthree\n"],
  ["&tail=", "one\ntwo\nthree\n"],
  ["&since=2025-11-20T12:31:13Z", "two\nthree\n"],
  ["&since=1763641873", "two\nthree\n"],
  ["&since=1h", ""],
  ["&previous=true", "old\n"],
  ["&previous=false&follow=0", "one\ntwo\nthree\n"],
])("%j", async (query, text) => {
  const response = await get(query);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(await response.text()).toBe(text);
});

test("follow streams what comes, to the end of the run", async () => {
  const response = await get("&follow=true&tail=1");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe("three\n");
  await append(NEW, 1, "2025-11-20T12:31:15Z four\n");
  expect((await reader.read()).value).toBe("four\n");
  runs = runs.map((one) => ({ ...one, terminated: true }));
  expect(await reader.read()).toMatchObject({ done: true });
});

test("takes no lock and reaches no edge", async () => {
  await (await get()).text();
  expect(em.dispatch.requests).toEqual([]);
});

test("a run without output is empty; one that never was is 404", async () => {
  runs = [{ run: "01JD0000000000000000000003", terminated: false }];
  expect(await (await get()).text()).toBe("");
  const response = await em.fetch("/em/pod/logs?pod_name=other");
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: "POD_NOT_FOUND" });
});

test("no run before the current one: 404", async () => {
  await em.staging.deletePrefix(`logs/cg2/client1/pod-a/${OLD}/`);
  runs = [{ run: NEW, terminated: false }];
  expect((await get("&previous=true")).status).toBe(404);
});

test.each([
  "&tail=-1",
  "&tail=x",
  "&since=yesterday",
  "&since=2025-11-20T12:31:13",
  "&follow=maybe",
  "&previous=2",
])("400 for %s", async (query) => {
  expect((await get(query)).status).toBe(400);
});
