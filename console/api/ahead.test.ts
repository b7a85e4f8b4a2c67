import { afterEach, expect, test, vi } from "vitest";
import { askAhead } from "../ask-ahead.ts";
import { type Ahead, EVENTS, GRANTED_EDGES, takeAhead } from "./ahead.ts";

const KEPT: Record<string, string> = {};
const asked: { path: string; init: RequestInit & { headers: Record<string, string> } }[] = [];

/** Asks as a page does first of all, with this in the tab's store. */
function ask(kept: Record<string, string>): Ahead | undefined {
  Object.assign(KEPT, kept);
  vi.stubGlobal("sessionStorage", { getItem: (key: string) => KEPT[key] ?? null });
  vi.stubGlobal("fetch", async (path: string, init: (typeof asked)[number]["init"]) => {
    asked.push({ path, init });
    if (path === EVENTS) throw new TypeError("Failed to fetch");
    return new Response(path);
  });
  globalThis.perigeeAhead = askAhead();
  return globalThis.perigeeAhead;
}

afterEach(() => {
  vi.unstubAllGlobals();
  for (const key of Object.keys(KEPT)) delete KEPT[key];
  asked.length = 0;
  globalThis.perigeeAhead = undefined;
});

test("what every first look needs is asked with the tab's token and edge, and answered once", async () => {
  ask({ "perigee.session": JSON.stringify({ access: "token" }), "perigee.edge": '"em2"' });
  expect(asked.map(({ path }) => path).sort()).toEqual([EVENTS, GRANTED_EDGES]);
  for (const { init } of asked) {
    expect(init.headers).toMatchObject({ authorization: "Bearer token", "perigee-edge": "em2" });
    expect([init.cache, init.credentials]).toEqual(["no-store", "omit"]);
  }
  expect(await (await takeAhead(GRANTED_EDGES))?.text()).toBe(GRANTED_EDGES);
  expect(takeAhead(GRANTED_EDGES)).toBeUndefined();
  // a failure is heard by whoever takes it, and by nobody before
  await expect(takeAhead(EVENTS)).rejects.toThrow("Failed to fetch");
});

test.each([
  ["nobody is logged in", {}],
  ["the store holds something else", { "perigee.session": "{" }],
])("where %s nothing is asked", (_, kept) => {
  expect(ask(kept)).toBeUndefined();
  expect(asked).toEqual([]);
  expect(takeAhead(EVENTS)).toBeUndefined();
});

test.each(["before it was taken", "after that"])("what is given up %s ends", (when) => {
  ask({ "perigee.session": JSON.stringify({ access: "token" }) });
  const given = new AbortController();
  if (when.startsWith("before")) given.abort();
  void takeAhead(GRANTED_EDGES, given.signal);
  given.abort();
  expect(asked.find(({ path }) => path === GRANTED_EDGES)!.init.signal!.aborted).toBe(true);
});
