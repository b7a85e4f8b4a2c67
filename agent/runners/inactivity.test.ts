import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Inactivity } from "./inactivity.ts";
import { RunnerBook } from "./runner-book.ts";
import type { RunnerRecord } from "./runner-record.ts";
import { RunnerStore } from "./runner-store.ts";
import { RunnerTargets } from "./runner-targets.ts";

const ID = "0-3e3b7fd1-2c0c-4b9f-9a5e-1f6d0f0f0f0f";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** One that was handed out now. */
function handedOut(inactivityMs?: number) {
  const book = new RunnerBook(new RunnerStore(new DatabaseSync(":memory:")));
  const record: RunnerRecord = {
    id: ID,
    user: "ada",
    generation: 1,
    state: "used",
    image: "i",
    ports: [],
    activeAt: Date.now(),
    ...(inactivityMs !== undefined && { inactivityMs }),
  };
  book.add(record);
  const inactivity = new Inactivity({ book, ended() {}, now: () => Date.now() });
  const targets = new RunnerTargets({ book, changed: () => inactivity.look(), now: () => Date.now() });
  inactivity.look();
  return {
    record,
    open: (kind: "exec" | "list" | "read" | "write") => targets.open("ada", { runner: ID }, kind),
  };
}

test("a runner ends no earlier than its time, and no later than a second after it", () => {
  for (const ms of [1_000, 60_000, 3 * 24 * 3600_000]) {
    const { record } = handedOut(ms);
    vi.advanceTimersByTime(ms - 1);
    expect(record.state).toBe("used");
    vi.advanceTimersByTime(1_000);
    expect([record.state, record.end]).toEqual(["ending", "inactive"]);
  }
});

test("one without a time stays", () => {
  const { record } = handedOut();
  vi.advanceTimersByTime(30 * 24 * 3600_000);
  expect(record.state).toBe("used");
});

test("each session begins it anew when it begins, and none holds it off while it is open", () => {
  for (const kind of ["exec", "list", "read", "write"] as const) {
    const { record, open } = handedOut(10_000);
    vi.advanceTimersByTime(9_000);
    const { ended } = open(kind);
    vi.advanceTimersByTime(9_999);
    expect([kind, record.state]).toEqual([kind, "used"]);
    // it is open still, and has moved what it liked
    vi.advanceTimersByTime(1_001);
    expect([kind, record.end, ended.reason]).toEqual([kind, "inactive", { type: "timeout" }]);
  }
});
