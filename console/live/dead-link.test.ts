import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { followHoldings, holdings } from "./holdings.ts";
import { commands, loadOlder, older, olderState } from "./live.ts";

/** A request that the ground answers when the test says so. */
type Asked = { path: string; answer(body: object): void };

const page = Object.assign(new EventTarget(), { hidden: false });
let asked: Asked[];

beforeEach(() => {
  asked = [];
  page.hidden = false;
  older.value = undefined;
  olderState.value = "idle";
  vi.useFakeTimers();
  vi.stubGlobal("document", page);
  vi.stubGlobal("fetch", (path: string, { signal }: { signal: AbortSignal }) => {
    return new Promise((done, fail) => {
      signal.addEventListener("abort", () => fail(signal.reason));
      asked.push({ path, answer: (body) => done(Response.json(body)) });
    });
  });
  // by the clock of the test
  vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    const over = new AbortController();
    setTimeout(() => over.abort(new DOMException("", "TimeoutError")), ms);
    return over.signal;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("there is one look at a time at what other APIs made, and none for good", async () => {
  const stop = followHoldings(1000);
  await vi.advanceTimersByTimeAsync(7900);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1200);
  expect(asked).toHaveLength(2);
  const items = [{ dialect: "unik", kind: "image", name: "app", created: "" }];
  asked[1]!.answer({ data: { items, truncated: false } });
  await vi.advanceTimersByTimeAsync(900);
  expect(holdings.value).toEqual(items);
  expect(asked).toHaveLength(2);
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(2);
});

test("out of sight nothing is asked for, and whoever comes back sees it at once", async () => {
  page.hidden = true;
  const stop = followHoldings(1000);
  await vi.advanceTimersByTimeAsync(10_100);
  expect(asked).toHaveLength(0);
  page.hidden = false;
  page.dispatchEvent(new Event("visibilitychange"));
  await vi.advanceTimersByTimeAsync(0);
  expect(asked.map(({ path }) => path)).toEqual(["/edge/holdings"]);
  stop();
});

test("older commands that do not come are given up, and can be asked for again", async () => {
  older.value = "01B";
  const first = loadOlder().catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(10_000);
  await loadOlder();
  expect([asked.length, olderState.value]).toEqual([1, "loading"]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await first).toMatchObject({ code: "UNREACHABLE" });
  expect(olderState.value).toBe("failed");
  const second = loadOlder();
  asked[1]!.answer({ data: [{ command_id: "01A" }] });
  await second;
  expect([olderState.value, older.value]).toEqual(["idle", undefined]);
  expect(commands.value.map((one) => one.command_id)).toEqual(["01A"]);
});

test.each(["an answer", "none"])("of an edge that was left meanwhile %s changes nothing", async (what) => {
  const before = commands.value;
  older.value = "02B";
  const first = loadOlder();
  older.value = "03B";
  if (what === "none") await vi.advanceTimersByTimeAsync(20_000);
  else asked[0]!.answer({ data: [{ command_id: "02A" }] });
  await first;
  // idle: the next page is that of the edge that is looked at now
  expect([olderState.value, older.value, commands.value]).toEqual(["idle", "03B", before]);
});
