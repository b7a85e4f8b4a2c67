import { expect, test } from "vitest";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { MemoryTable } from "#test/support/memory-store.ts";
import { ulid } from "../../ledger/ulid.ts";
import { SessionNotes } from "./session-notes.ts";

const PK = "live-sessions#ada";
const MOST = LIVE_LIMITS.notesPerUser;

function opened() {
  const store = new MemoryTable().open();
  const notes = new SessionNotes(store);
  const note = (at: number, user = "ada") =>
    notes.note(user, ulid(at), { edge: "e", kind: "exec", target: { runner: "r" }, began: at });
  const held = async () =>
    (await store.query<{ began: number }>({ pk: PK, limit: 10 * MOST })).map(({ data }) => data.began);
  return { store, notes, note, held };
}

test("of a user's sessions the oldest are no longer noted, also those of an earlier process", async () => {
  const { store, notes, note, held } = opened();
  const before = MOST + 120;
  for (let at = 1; at <= before; at++) {
    const data = { edge: "e", kind: "exec", target: { runner: "r" }, began: at };
    await store.transact([{ put: { pk: PK, sk: ulid(at), expiresAt: 1e12, data } }]);
  }
  await note(1, "bob");
  // the first one of this process looks
  await note(before + 1);
  expect(await held()).toEqual(Array.from({ length: MOST }, (_, n) => n + 122));
  for (let n = 2; n <= 50; n++) await note(before + n);
  expect(await held()).toHaveLength(MOST + 49);
  await note(before + 51);
  const left = await held();
  expect([left.length, left.at(-1)]).toEqual([MOST, before + 51]);
  expect(await notes.list("bob", 0)).toHaveLength(1);
});

test("nobody sees those of an earlier user of the name, and they go with that user", async () => {
  const { notes, note } = opened();
  for (let at = 1; at <= 60; at++) await note(at);
  const began = async (since?: number) => (await notes.list("ada", 0, since)).map((one) => one.began);
  expect(await began(58)).toEqual([60, 59, 58]);
  await notes.forget("ada", 59);
  expect(await began()).toEqual([60, 59]);
  await notes.forget("ada");
  expect(await began()).toEqual([]);
});

test("a session is noted for 7 days from its begin", async () => {
  const { notes, note } = opened();
  await note(1_000);
  const days = 7 * 24 * 3600_000;
  expect(await notes.list("ada", days + 999)).toHaveLength(1);
  expect(await notes.list("ada", days + 1_000)).toEqual([]);
});
