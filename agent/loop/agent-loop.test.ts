import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { gate } from "#test/support/gate.ts";
import { command, ScriptedGround } from "#test/support/scripted-ground.ts";
import { GroundSession } from "../ground/ground-session.ts";
import { Journal } from "../journal/journal.ts";
import { openStateDatabase } from "../journal/state-database.ts";
import type { OperationContext, OperationHandlers } from "../operation.ts";
import { OutgoingStore } from "../transfers/outgoing-store.ts";
import { AgentLoop, Superseded } from "./agent-loop.ts";

type Context = OperationContext<"volume.delete"> | OperationContext<"volume.list">;

const JOBS = { em: 1, jobs: 8 };
let directory: string;
let database: DatabaseSync;
let journal: Journal;
let ground: ScriptedGround;
let lives: { stop(): Promise<void> }[];
/** ids in the order in which they began, and those that are under way */
let begun: string[];
let under: Set<string>;
let outgoing: OutgoingStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-loop-"));
  database = openStateDatabase(directory);
  outgoing = new OutgoingStore(database, join(directory, "outgoing"));
  [lives, begun, under] = [[], [], new Set()];
});
afterEach(async () => {
  for (const life of lives) await life.stop();
  database.close();
  rmSync(directory, { recursive: true });
});

/** A life of the agent; `work` is what its commands do. */
async function live(work: (context: Context) => Promise<void> = async () => {}, options = {}) {
  journal = new Journal(database);
  const session = new GroundSession(ground.port);
  await session.start({ journal: journal.id, version: "test" });
  const does = (result: object) => async (context: Context) => {
    begun.push(context.command.id);
    under.add(context.command.id);
    try {
      await work(context);
      context.signal.throwIfAborted();
      return result;
    } finally {
      under.delete(context.command.id);
    }
  };
  const handlers = {
    "volume.delete": does({}),
    "volume.list": does({ listing: "[]", truncated: false }),
  } as unknown as OperationHandlers;
  const log = pino({ level: "silent" });
  const loop = new AgentLoop(
    { session, journal, handlers, doorbell: ground.doorbell, log, outgoing },
    { graceMs: 0, pollMs: 60_000, progressMs: 20, ...options },
  );
  const controller = new AbortController();
  const running = loop.run(controller.signal);
  running.catch(() => undefined);
  const life = {
    running,
    async stop() {
      controller.abort();
      await running.catch(() => undefined);
    },
  };
  lives.push(life);
  return life;
}

const untilAborted = ({ signal }: Context) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
const many = (n: number, over: (i: number) => Parameters<typeof command>[0]) =>
  Array.from({ length: n }, (_, i) => command(over(i)));
const states = () => [...ground.ended.values()].map(({ state }) => state);

describe("many commands", () => {
  test("run side by side up to each lane's width, and all end", async () => {
    ground = new ScriptedGround(JOBS);
    const open = gate();
    const all = [
      ...many(12, (i) => ({ lane: "jobs", volume: `v${i}` })),
      ...many(3, (i) => ({ lane: "em", volume: `e${i}` })),
    ];
    ground.submit(...all);
    await live(() => open.passed);
    await ground.until(() => under.size === 9);
    expect(ground.running.size).toBe(9);
    open.open();
    await ground.until(() => ground.ended.size === 15);
    expect(new Set(states())).toEqual(new Set(["succeeded"]));
    expect(new Set(begun).size).toBe(begun.length);
    await ground.until(() => journal.open().length === 0);
  });

  test("while nothing rings the ground is asked at the pace that holds then", async () => {
    ground = new ScriptedGround(JOBS);
    const paced: number[] = [];
    await live(undefined, { pace: (ms: number) => (paced.push(ms) < 3 ? 1 : ms) });
    await ground.until(() => paced.length === 3);
    expect(paced).toEqual([60_000, 60_000, 60_000]);
  });

  test("of one volume: readers together, writers alone, in the order of their claims", async () => {
    ground = new ScriptedGround(JOBS);
    const list = { lane: "jobs", operation: "volume.list", input: { volume: "v" } };
    const commands = [
      command(list),
      command(list),
      command({ lane: "jobs" }),
      command({ lane: "jobs" }),
      command(list),
    ];
    const gates = new Map(commands.map(({ id }) => [id, gate()]));
    ground.submit(...commands);
    await live(({ command: { id } }) => gates.get(id)!.passed);
    const [a, b, c, d, e] = commands.map(({ id }) => id) as [string, string, string, string, string];
    await ground.until(() => ground.progress.some(({ waitsFor }) => waitsFor !== undefined));
    expect([...under]).toEqual([a, b]);
    const told = ground.progress.find(({ command: id }) => id === c)!;
    expect(told.waitsFor).toEqual({ resource: "volume v", behind: a });
    expect(ground.progress.find(({ command: id }) => id === a)).toMatchObject({ granted: true });
    for (const [i, id] of [a, b, c, d, e].entries()) {
      await ground.until(() => under.has(id));
      gates.get(id)!.open();
      await ground.until(() => ground.ended.size > i);
    }
    expect(begun).toEqual([a, b, c, d, e]);
  });

  test("of another user only that something is ahead is told", async () => {
    ground = new ScriptedGround(JOBS);
    const publish = { lane: "jobs", operation: "edge.publish", input: { image: "x" }, user: "_operator" };
    const build = { volume: "v", dockerfile: "d", context: "", image: "i" };
    const first = command({
      lane: "jobs",
      operation: "image.load",
      input: { volume: "v", tarfile: "t", image: "i" },
    });
    ground.submit(first, command(publish), command({ lane: "jobs", operation: "image.build", input: build }));
    journal = new Journal(database);
    const session = new GroundSession(ground.port);
    await session.start({ journal: journal.id, version: "test" });
    const handlers = { "image.load": untilAborted } as unknown as OperationHandlers;
    const controller = new AbortController();
    const loop = new AgentLoop(
      { session, journal, handlers, doorbell: ground.doorbell, log: pino({ level: "silent" }), outgoing },
      { graceMs: 0, progressMs: 20 },
    ).run(controller.signal);
    lives.push({
      async stop() {
        controller.abort();
        await loop;
      },
    });
    await ground.until(() => ground.progress.filter(({ waitsFor }) => waitsFor !== undefined).length === 2);
    expect(ground.progress.flatMap(({ waitsFor }) => waitsFor ?? [])).toEqual([
      { resource: "the public images" },
      { resource: "image i:latest", behind: first.id },
    ]);
  });

  test("a resource given back early lets the next begin", async () => {
    ground = new ScriptedGround(JOBS);
    const commands = many(2, () => ({ lane: "jobs" }));
    ground.submit(...commands);
    await live(async (context) => {
      if (context.command.id !== commands[0]!.id) return;
      context.release("volume ann/v");
      await untilAborted(context);
    });
    await ground.until(() => ground.ended.has(commands[1]!.id));
    expect([...under]).toEqual([commands[0]!.id]);
  });

  test("cancels reach what runs and what waits, all by one question", async () => {
    ground = new ScriptedGround(JOBS);
    const commands = many(3, () => ({ lane: "jobs" }));
    ground.submit(...commands);
    await live(untilAborted);
    await ground.until(() => ground.progress.length >= 3);
    const [first, second, third] = commands.map(({ id }) => id) as [string, string, string];
    ground.cancel(second);
    await ground.until(() => ground.ended.has(second));
    expect([...under]).toEqual([first]);
    ground.cancel(first);
    await ground.until(() => ground.ended.has(first) && under.has(third));
    expect(states()).toEqual(["cancelled", "cancelled"]);
  });

  test("the deadline runs from the grant, not from the claim", async () => {
    ground = new ScriptedGround(JOBS);
    const open = gate();
    const [first, second] = [command({ lane: "jobs" }), command({ lane: "jobs", deadline: 0.05 })];
    ground.submit(first, second);
    await live(({ command: { id } }) =>
      id === first.id
        ? open.passed.then(() => new Promise((done) => setTimeout(done, 100)))
        : Promise.resolve(),
    );
    await ground.until(() => under.size === 1);
    open.open();
    await ground.until(() => ground.ended.size === 2);
    expect(states()).toEqual(["succeeded", "succeeded"]);
  });
});

describe("words that get lost", () => {
  test.each(["lost", "answer lost"] as const)(
    "claim %s: nothing is lost, nothing done twice",
    async (fault) => {
      ground = new ScriptedGround(JOBS);
      ground.faults.claim.push(fault, fault);
      ground.submit(...many(10, (i) => ({ lane: "jobs", volume: `v${i}` })));
      await live();
      await ground.until(() => ground.ended.size === 10);
      expect(new Set(begun).size).toBe(10);
      expect(begun).toHaveLength(10);
    },
  );

  test("an answer that was lost keeps its commands before those of the next claim", async () => {
    ground = new ScriptedGround(JOBS);
    ground.faults.claim.push("answer lost");
    ground.submit(...many(4, () => ({ lane: "jobs" })));
    const expected = ground.queued.map(({ id }) => id);
    await live();
    await ground.until(() => ground.ended.size === 4);
    expect(begun).toEqual(expected);
  });

  test("a report that waits for contact holds up no claim", async () => {
    ground = new ScriptedGround(JOBS);
    const [first, second] = many(2, (i) => ({ lane: "jobs", volume: `v${i}` }));
    ground.faults.report.push(...Array<"lost">(3).fill("lost"));
    ground.submit(first!);
    await live();
    await ground.until(() => ground.calls.includes("report"));
    ground.submit(second!);
    await ground.until(() => begun.includes(second!.id));
    await ground.until(() => ground.ended.size === 2);
    expect(begun).toHaveLength(2);
  });

  test("a report whose answer was lost is told again, and the command is not done again", async () => {
    ground = new ScriptedGround(JOBS);
    ground.faults.report.push("answer lost");
    ground.submit(command());
    await live();
    await ground.until(() => ground.calls.filter((name) => name === "report").length === 2);
    await ground.until(() => journal.open().length === 0);
    expect(begun).toHaveLength(1);
  });
});

describe("another life", () => {
  test.each([
    ["one volume", () => "v"],
    ["several", (i: number) => `v${i}`],
  ])("with six commands running of %s: each is done once, in the same order", async (_, volume) => {
    ground = new ScriptedGround(JOBS);
    const commands = many(6, (i) => ({ lane: "jobs", volume: volume(i) }));
    ground.submit(...commands);
    const first = await live(untilAborted);
    await ground.until(() => ground.running.size === 6);
    await first.stop();
    expect(ground.ended.size).toBe(0);
    begun = [];
    ground.resumedAtOnce = 4;
    await live();
    await ground.until(() => ground.ended.size === 6);
    expect(begun).toEqual(commands.map(({ id }) => id));
    await ground.until(() => journal.open().length === 0);
    // stopped in order: no attempt counts
    expect(commands.every(({ id }) => journal.earlier({ id }).deaths === 0)).toBe(true);
  });

  test("forgets of the journal what the complete list does not hold, and nothing before", async () => {
    ground = new ScriptedGround(JOBS);
    const kept = many(3, (i) => ({ lane: "jobs", volume: `v${i}` }));
    ground.submit(...kept);
    const first = await live(untilAborted);
    await ground.until(() => under.size === 3);
    await first.stop();
    journal.start({ id: "ENDEDBYTHEGROUND", user: "ann", operation: "volume.delete" }, () => {});
    ground.resumedAtOnce = 1;
    await live(untilAborted);
    await ground.until(() => under.size === 3);
    await ground.until(() => journal.open().length === 3);
    expect(journal.open().map(({ command: id }) => id)).toEqual(kept.map(({ id }) => id));
  });

  test("tells what an earlier one could not, beside new work", async () => {
    ground = new ScriptedGround(JOBS);
    const [done] = many(1, () => ({ lane: "jobs" }));
    ground.submit(done!);
    const first = await live();
    ground.faults.report.push(...Array<"lost">(20).fill("lost"));
    await ground.until(() => ground.calls.includes("report"));
    await first.stop();
    expect(ground.ended.size).toBe(0);
    ground.faults.report.length = 0;
    begun = [];
    await live();
    await ground.until(() => ground.ended.size === 1);
    expect(begun).toEqual([]);
  });

  test("does not do again what it told while the claim that hands it out was under way", async () => {
    ground = new ScriptedGround(JOBS);
    const [done, next] = many(2, () => ({ lane: "jobs" }));
    ground.submit(done!);
    const first = await live();
    ground.faults.report.push(...Array<"lost">(20).fill("lost"));
    await ground.until(() => ground.calls.includes("report"));
    await first.stop();
    // told again after a moment, when the claim has been answered
    ground.faults.report.splice(1);
    begun = [];
    const claimed = gate();
    ground.onTheWay.claim = claimed.passed;
    await live();
    await expect.poll(() => journal.open().length).toBe(0);
    ground.onTheWay.claim = undefined;
    claimed.open();
    ground.submit(next!);
    await ground.until(() => ground.ended.size === 2);
    expect(begun).toEqual([next!.id]);
  });

  test("after the process died twice under them each runs alone, the third time; those past a commit do not", async () => {
    ground = new ScriptedGround(JOBS);
    const commands = many(4, (i) => ({ lane: "jobs", volume: `v${i}` }));
    ground.submit(...commands);
    const first = await live(untilAborted);
    await ground.until(() => under.size === 4);
    await first.stop();
    database.exec("UPDATE journal SET deaths = 2");
    const committed = commands[3]!.id;
    new Journal(database).start(commands[3]!, () => {}).note("commit");
    const most = { alone: 0 };
    const open = gate();
    await live(async ({ command: { id } }) => {
      if (id === committed) return open.passed;
      most.alone = Math.max(most.alone, [...under].filter((other) => other !== committed).length);
      await new Promise((done) => setTimeout(done, 30));
    });
    await ground.until(() => ground.ended.size === 3);
    expect([most.alone, [...under]]).toEqual([1, [committed]]);
    open.open();
    await ground.until(() => ground.ended.size === 4);
  });

  test("ten deaths under a command fail it, and only it", async () => {
    ground = new ScriptedGround(JOBS);
    const commands = many(2, (i) => ({ lane: "jobs", volume: `v${i}` }));
    ground.submit(...commands);
    const first = await live(untilAborted);
    await ground.until(() => under.size === 2);
    await first.stop();
    database.prepare("UPDATE journal SET deaths = 10 WHERE command = ?").run(commands[0]!.id);
    await live();
    await ground.until(() => ground.ended.size === 2);
    expect(ground.ended.get(commands[0]!.id)).toMatchObject({ failure: { code: "INTERRUPTED" } });
    expect(ground.ended.get(commands[1]!.id)).toMatchObject({ state: "succeeded" });
  });

  test("a newer agent ends it: everything stops, nothing more is told", async () => {
    ground = new ScriptedGround(JOBS);
    ground.submit(...many(3, (i) => ({ lane: "jobs", volume: `v${i}` })));
    const life = await live(untilAborted);
    await ground.until(() => under.size === 3);
    ground.supersede();
    ground.ring();
    await expect(life.running).rejects.toBeInstanceOf(Superseded);
    expect([under.size, ground.ended.size]).toEqual([0, 0]);
  });

  test("a shutdown lets what runs end within the grace, and begins nothing", async () => {
    ground = new ScriptedGround(JOBS);
    const open = gate();
    ground.submit(...many(2, () => ({ lane: "jobs" })));
    const life = await live(() => open.passed, { graceMs: 60_000 });
    await ground.until(() => under.size === 1);
    const stopped = life.stop();
    open.open();
    await stopped;
    expect([ground.ended.size, begun.length]).toEqual([1, 1]);
  });
});

describe("a ground of version 0.2", () => {
  test("gets one command at a time, all are done, and it is said what is missing", async () => {
    ground = new ScriptedGround({}, true);
    ground.submit(...many(5, (i) => ({ lane: undefined, volume: `v${i}` })));
    let most = 0;
    await live(async () => {
      most = Math.max(most, under.size, ground.running.size);
      await new Promise((done) => setImmediate(done));
    });
    await ground.until(() => ground.ended.size === 5);
    expect([most, begun.length]).toEqual([1, 5]);
  });

  test("that took the place of one with lanes is found out by its answer", async () => {
    ground = new ScriptedGround({}, true);
    const warned: string[] = [];
    const session = new GroundSession(
      { ...ground.port, start: async () => ({ edge: "e", epoch: 1, lanes: { em: 1 } }) },
      { warn: (text: string) => void warned.push(text) } as never,
    );
    await session.start({ journal: "j", version: "t" });
    ground.supersede();
    const [one] = many(1, () => ({}));
    ground.queued.push(one!);
    expect(await session.claim({ room: { em: 1 }, have: [] })).toMatchObject({ commands: [{ id: one!.id }] });
    expect(session.lanes).toBeUndefined();
    expect(warned).toHaveLength(1);
  });
});
