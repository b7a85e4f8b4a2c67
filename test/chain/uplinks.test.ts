import { expect, test } from "vitest";
import { uplinksConformance } from "#test/conformance/uplinks.ts";
import { declaredFile } from "#test/support/declared-file.ts";
import { makeWorld } from "#test/support/world.ts";

uplinksConformance("one machine", makeWorld);

test("a full disk refuses an upload in parts, and nothing of it stays: not even its key", async () => {
  const world = await makeWorld({ freeFloorBytes: Number.MAX_SAFE_INTEGER });
  try {
    const alice = await world.user("alice");
    const open = async (content: string) => {
      const answer = await alice.fetch("/uplinks", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": "k" },
        body: JSON.stringify({ files: [declaredFile("f", content)] }),
      });
      return { status: answer.status, error: ((await answer.json()) as { error: string }).error };
    };
    const full = { status: 507, error: "STORAGE_FULL" };
    expect(await open("x")).toEqual(full);
    // The same key again is tried again, and was not used up by the refusal.
    expect(await open("x")).toEqual(full);
    expect((await world.ground.ledger.lane("em1")).reserved).toEqual([]);
    expect(await world.ground.staging.list("uplink/")).toEqual([]);
  } finally {
    await world.close();
  }
});
