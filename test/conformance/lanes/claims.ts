import { expect, test } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import { LaneBusy } from "#lambdas/ledger/lane-busy.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { AGENT, draft, EM, ids, JOBS, type LanesRig } from "./lanes-rig.ts";

/** What the agent is given of several lanes, in which order, and what it tells. */
export function testClaims(rig: LanesRig): void {
  const { claim, many, open, report, running, start, submit } = rig;

  test("the EM refuses while its command runs beside eight of another lane, and only then", async () => {
    await many(9);
    expect(ids((await claim({ jobs: 100 })).commands)).toHaveLength(8);
    const holder = await submit({ lane: "em" }, "place");
    const { commands, more } = await claim({ em: 1, jobs: 100 }, ids(await running("jobs")), 2);
    expect(ids(commands)).toEqual([holder.id]);
    expect(more).toBe(false);
    const busy = await submit({ lane: "em" }, "place").catch((error: unknown) => error);
    expect(busy).toBeInstanceOf(LaneBusy);
    expect(busy).toMatchObject({ code: "LOCKED", lane: "em", id: holder.id });
    expect((await report(holder)).more).toBe(false);
    expect((await submit({ lane: "em" }, "place")).state).toBe("queued");
  });

  test("a lane of eight takes eight places at once and refuses the ninth", async () => {
    const eight = await Promise.all(Array.from({ length: 8 }, () => submit({}, "place")));
    await expect(submit({}, "place")).rejects.toBeInstanceOf(LaneBusy);
    await submit();
    const { commands } = await claim({ jobs: 100 });
    expect(ids(commands)).toEqual(ids(eight));
    expect((await report(eight[3]!)).more).toBe(true);
  });

  test("free places go round the users and their groups", async () => {
    await many(3, { group: "long" });
    await submit({ group: "short" });
    await submit({ user: "bob" });
    const { commands } = await claim({ jobs: 4 });
    expect(commands.map(({ user, group }) => group ?? user)).toEqual(["long", "bob", "short", "long"]);
    expect(await rig.ledger.ahead((await rig.ledger.commands("alice", { limit: 2 }))[1]!)).toBe(0);
  });

  test("the operator's width counts, and the EM's cannot be changed", async () => {
    const of = await rig.table.open();
    const wide = new Ledger(of, { now: () => rig.now, lanes: [EM, JOBS], widths: { jobs: 2 } });
    expect(wide.widths()).toEqual({ em: 1, jobs: 2 });
    await many(3);
    const taken = await wide.claimMany("em1", { epoch: rig.epoch, room: { jobs: 100 } });
    expect(taken).toMatchObject({ more: false, complete: true });
    expect(taken.commands).toHaveLength(2);
    expect(() => new Ledger(of, { lanes: [EM], widths: { em: 2 } })).toThrow(RangeError);
  });

  test("room is never exceeded, and what it lacks is said", async () => {
    await many(5);
    expect(await claim({ jobs: 2 })).toMatchObject({ complete: true, more: true });
    expect((await claim({}, ids(await running("jobs")))).commands).toEqual([]);
    const next = await claim({ jobs: 100 }, ids(await running("jobs")), 2);
    expect(next.commands).toHaveLength(3);
    expect(next.more).toBe(false);
    expect(next.commands[0]).toMatchObject({
      order: [rig.epoch, 2],
      attempts: 1,
      lane: "jobs",
      grants: true,
    });
  });

  test("a claim whose answer was lost hands the same commands out again, and none else twice", async () => {
    await many(6);
    const first = await claim({ jobs: 2 });
    const lost = await claim({ jobs: 2 }, ids(first.commands), 2);
    const again = await claim({ jobs: 2 }, ids(first.commands), 3);
    expect(ids(again.resumed)).toEqual(ids(lost.commands));
    expect(again.resumed.map(({ attempts, order }) => [attempts, order])).toEqual([
      [1, [rig.epoch, 2]],
      [1, [rig.epoch, 2]],
    ]);
    expect(again.complete).toBe(true);
    expect(again.commands).toHaveLength(2);
  });

  test("a claim that was delayed on its way takes its commands after those of the next claim", async () => {
    await many(4);
    const next = await claim({ jobs: 2 }, [], 2);
    const delayed = await claim({ jobs: 2 }, ids(next.commands), 1);
    expect(delayed.commands.map(({ order }) => order)).toEqual([
      [rig.epoch, 2],
      [rig.epoch, 2],
    ]);
    await start();
    const again = await claim({ jobs: 4 });
    expect(ids(again.resumed)).toEqual([...ids(next.commands), ...ids(delayed.commands)]);
  });

  test("all that runs comes first after a start, in the order in which it was claimed", async () => {
    await many(4);
    await submit({ lane: "noted" });
    await submit({ lane: "em" });
    const a = await claim({ jobs: 1, noted: 1 });
    const b = await claim({ jobs: 2, em: 1 }, ids(a.commands), 2);
    await start();
    const again = await claim({ jobs: 100, em: 1, noted: 1 });
    expect(ids(again.resumed)).toEqual([...ids(a.commands), ...ids(b.commands)]);
    expect(again.resumed.map(({ attempts }) => attempts)).toEqual([2, 2, 2, 2, 2]);
    expect(again).toMatchObject({ complete: true });
    expect(again.commands).toHaveLength(1);
    expect((await claim({}, [...ids(again.resumed), ...ids(again.commands)], 2)).resumed).toEqual([]);
  });

  test("more than one answer holds are resumed in several, and nothing new comes before they are whole", async () => {
    const wide = { ...JOBS, width: 60 };
    rig.ledger = await open([EM, wide]);
    await many(60, { user: "bob" });
    const have: string[] = [];
    while (have.length < 60) have.push(...ids((await claim({ jobs: 100 }, have, have.length + 1)).commands));
    await submit();
    await start();
    const got: string[] = [];
    for (let turn = 1; ; turn++) {
      const { resumed, complete, commands, more } = await claim({ jobs: 100, em: 1 }, got, turn);
      got.push(...ids(resumed));
      expect(commands).toEqual([]);
      if (complete) break;
      expect(more).toBe(true);
    }
    expect(got).toEqual(have);
  });

  test("an answer is bounded in bytes", async () => {
    const large = { volume: "v", path: "x".repeat(150_000) };
    await many(12, { input: large, lane: "jobs" });
    const bytes = (commands: Command[]) => Buffer.byteLength(JSON.stringify(commands));
    const { commands, more } = await claim({ jobs: 100 });
    expect(commands.length).toBeGreaterThan(0);
    expect(bytes(commands)).toBeLessThan(1024 * 1024);
    expect(more).toBe(true);
    await start();
    const again = await claim({ jobs: 100 });
    expect(ids(again.resumed)).toEqual(ids(commands));
  });

  test("another journal ends more running changes than one transaction holds, and resumes what reads", async () => {
    const wide = { ...JOBS, width: 60 };
    rig.ledger = await open([EM, wide]);
    await many(40);
    await many(3, { user: "bob", operation: "nodes.status", input: {} });
    const have: string[] = [];
    while (have.length < 43) have.push(...ids((await claim({ jobs: 100 }, have)).commands));
    await start("journal-2");
    const states = await Promise.all(
      have.map((id) => rig.ledger.command("alice", id).catch(() => undefined)),
    );
    expect(states.filter((one) => one?.failure?.code === "INTERRUPTED")).toHaveLength(40);
    expect((await claim({})).resumed.map(({ user }) => user)).toEqual(["bob", "bob", "bob"]);
  });

  test("commands that a newly started agent does not know fail, wherever they were", async () => {
    const reads = await submit({ operation: "nodes.status", input: {} });
    const changes = await submit();
    const place = await submit({ lane: "em" }, "place");
    await claim({ jobs: 2 });
    const waits = await submit();
    await start("journal-1", { ...AGENT, operations: ["pod.stop"] });
    const codes = await Promise.all(
      [reads, changes, place, waits].map(
        async ({ id }) => (await rig.ledger.command("alice", id)).failure?.code,
      ),
    );
    const unknown = "UNSUPPORTED_OPERATION";
    expect(codes).toEqual([unknown, "INTERRUPTED", unknown, unknown]);
    expect(await claim({ jobs: 100, em: 1 })).toMatchObject({ resumed: [], commands: [], more: false });
  });

  test("a claim of an agent that runs one at a time gets the EM's lane only", async () => {
    await submit();
    expect(await rig.ledger.claim("em1", rig.epoch)).toBeUndefined();
    const em = await submit({ lane: "em" });
    expect((await rig.ledger.claim("em1", rig.epoch))?.id).toBe(em.id);
  });

  test("progress of many: grants and waits are noted once, and who should stop is told", async () => {
    await many(3);
    const [a, b, c] = (await claim({ jobs: 3 })).commands as [Command, Command, Command];
    await rig.ledger.cancel("alice", c.id);
    const of = ({ id }: Command) => ({ user: "alice", command: id });
    const waitsFor = { resource: "volume v", behind: a.id };
    expect(
      await rig.ledger.noteProgress("em1", rig.epoch, [
        { ...of(a), granted: true, progress: { phase: "deleting" } },
        { ...of(b), waitsFor },
        of(c),
      ]),
    ).toEqual({ cancel: [c.id], kill: [] });
    const granted = rig.now;
    expect(await rig.ledger.command("alice", a.id)).toMatchObject({
      grantedAt: granted,
      progress: { phase: "deleting" },
    });
    expect((await rig.ledger.command("alice", b.id)).waitsFor).toEqual(waitsFor);
    rig.now += 1000;
    await rig.ledger.noteProgress("em1", rig.epoch, [
      { ...of(a), granted: true },
      { ...of(b), granted: true },
    ]);
    expect((await rig.ledger.command("alice", a.id)).grantedAt).toBe(granted);
    const later = await rig.ledger.command("alice", b.id);
    expect(later.grantedAt).toBe(rig.now);
    expect(later.waitsFor).toBeUndefined();
    // a kill is more than the cancel that was asked for before, and a cancel after it changes nothing
    await rig.ledger.cancel("alice", c.id, { kill: true });
    await rig.ledger.cancel("alice", c.id);
    expect(await rig.ledger.noteProgress("em1", rig.epoch, [of(b), of(c)])).toEqual({
      cancel: [c.id],
      kill: [c.id],
    });
    // cancelled into a normal end
    expect((await report(c)).command.state).toBe("succeeded");
  });

  test("a wrong or missing lane in a report does not matter, and what ended it is prepared once", async () => {
    const command = await submit();
    await claim({ jobs: 1 });
    let prepared = 0;
    const of = { edge: "em1", epoch: rig.epoch, user: "alice", id: command.id };
    const { ended } = await rig.ledger.finish(of, async () => {
      prepared++;
      // another process changes the command and the lane before the transaction
      const another = await open();
      await another.cancel("alice", command.id);
      await another.submit(draft(), "queue");
      return { state: "succeeded", result: {} };
    });
    expect({ ended, prepared }).toEqual({ ended: true, prepared: 1 });
    expect((await rig.ledger.lane("em1", "jobs")).running).toEqual([]);
  });

  test("a dialect's records land with the command and with its end, however that comes", async () => {
    const numbers = (command: Command) => [{ put: { pk: "numbers", sk: "1", data: command.id }, if: 0 }];
    const command = await submit({ lane: "noted", records: numbers });
    expect((await rig.store.get({ pk: "numbers", sk: "1" }))?.data).toBe(command.id);
    const noted = async ({ id }: Command) => (await rig.store.get({ pk: "notes", sk: id }))?.data;
    expect(await noted(command)).toBeUndefined();
    await claim({ noted: 1 });
    await report(command);
    expect(await noted(command)).toEqual({ state: "succeeded" });
    const [cancelled, given] = [await submit({ lane: "noted" }), await submit({ lane: "noted" })];
    await rig.ledger.cancel("alice", cancelled.id);
    expect(await noted(cancelled)).toEqual({ state: "cancelled" });
    await claim({ noted: 1 });
    await rig.ledger.resetEdge("em1");
    expect(await noted(given)).toEqual({ state: "failed" });
  });

  test("a quota is one over the reservations of all lanes, whoever reserves at once", async () => {
    const others = await Promise.all(Array.from({ length: 4 }, () => open()));
    const bytes = (reserved: readonly { bytes?: number }[]) => {
      if (reserved.reduce((sum, { bytes = 0 }) => sum + bytes, 0) + 30 > 100) throw new Error("full");
      return 30;
    };
    const all = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) =>
        others[i % 4]!.reserve(draft({ lane: ["em", "jobs", "noted"][i % 3]! }), false, bytes),
      ),
    );
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  });

  test("lanes of a dialect that is off keep what they have, and get no new commands", async () => {
    await many(2);
    await claim({ jobs: 1 });
    rig.ledger = await open([EM]);
    await start();
    const { resumed, commands } = await claim({ jobs: 5, em: 1 });
    expect(ids(resumed)).toHaveLength(1);
    expect(commands).toEqual([]);
    expect((await report(resumed[0]!)).ended).toBe(true);
    expect([...(await rig.ledger.edgeLanes("em1")).keys()]).toEqual(["em", "jobs"]);
    await expect(submit()).rejects.toThrow(/no lane jobs/);
  });
}
