import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { openStateDatabase } from "../journal/state-database.ts";
import type { PodRuntime } from "../pods/pod-runtime.ts";
import { RunnerBook } from "./runner-book.ts";
import { RunnerKeeper, type RunnerKeeperOptions } from "./runner-keeper.ts";
import type { RunnerStarter } from "./runner-starter.ts";
import { RunnerStore } from "./runner-store.ts";

/** A keeper on an edge whose starts are the test's. */
function open(
  options: RunnerKeeperOptions,
  start: RunnerStarter["start"],
  listRunners?: () => Promise<never>,
) {
  const directory = mkdtempSync(join(tmpdir(), "perigee-keeper-"));
  const database = openStateDatabase(directory);
  const book = new RunnerBook(new RunnerStore(database));
  const runtime = {
    listRunners: listRunners ?? (async () => book.all().map(({ id }) => ({ run: id, phase: "running" }))),
    inspect: async () => ({ running: { startedAt: "" } }),
    remove: async () => {},
    tidy: async () => {},
    watch: () => () => {},
  } as unknown as PodRuntime;
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const changed = vi.fn();
  const starter = { start: start.bind(book) } as RunnerStarter;
  const keeper = new RunnerKeeper({ book, runtime, starter, changed, onError, now: Date.now }, options);
  onTestFinished(async () => {
    await keeper.close();
    database.close();
    rmSync(directory, { recursive: true });
  });
  keeper.start();
  return { book, keeper, errors, changed };
}

const environment = (user: string, exposedPorts: number[] | null = null) => ({
  ...{ user, id: 0, generation: 1 },
  spec: {
    ...{ image: "i", prewarmingPoolSize: 9, cpuLimit: 0, memoryLimit: 0, networkAccess: true },
    exposedPorts,
  },
});

test("a pool whose runners would open too many ports says so, and which setting bounds them", async () => {
  let started = 0;
  const { keeper, book } = open({ mostPorts: 8 }, async ({ user }) => {
    const id = `0-00000000-0000-4000-8000-${String(++started).padStart(12, "0")}`;
    const ports = [80, 81].map((exposedPort) => ({
      exposedPort,
      hostAddress: `192.0.2.1:${started}${exposedPort}`,
    }));
    const record = { id, user, generation: 1, state: "idle" as const, image: "i", ports };
    book.add(record);
    return record;
  });
  keeper.want({ pools: 1, environments: [environment("ada", [80, 81, 80])] });
  await expect.poll(() => book.all().length).toBe(3);
  await keeper.compare();
  expect(book.all()).toHaveLength(3);
  expect(keeper.reasons().get("ada#0")).toBe(
    "runners open at most 8 ports (runners.ports), and 6 those of one user",
  );
});

test("a start that gives its place to another user's pool is no failure", async () => {
  let started = 0;
  const { keeper, book, errors } = open({}, async ({ user }) => {
    const id = `0-00000000-0000-4000-8000-${String(++started).padStart(12, "0")}`;
    const record = { id, user, generation: 1, state: "starting" as const, image: "i", ports: [] };
    book.add(record);
    const ended = book.ended(record);
    await new Promise((resolve) => ended.addEventListener("abort", resolve));
    return record;
  });
  keeper.want({ pools: 1, environments: [environment("mallory")] });
  await expect.poll(() => started).toBe(3);
  keeper.want({ pools: 2, environments: [environment("mallory"), environment("bob")] });
  await expect.poll(() => book.all().some(({ user }) => user === "bob")).toBe(true);
  expect([errors, keeper.reasons().get("mallory#0")]).toEqual([[], undefined]);
  keeper.want({ pools: 3, environments: [] });
});

test("the ground is told also when the engine does not answer", async () => {
  const away = async () => {
    throw new Error("away");
  };
  const never = () => Promise.reject(new Error("no runner is wanted"));
  const { keeper, changed, errors } = open({}, never, away);
  const { spec, ...of } = environment("ada");
  keeper.want({ pools: 1, environments: [{ ...of, spec: { ...spec, prewarmingPoolSize: 0 } }] });
  await expect.poll(() => changed).toHaveBeenCalled();
  expect(errors.length).toBeGreaterThan(0);
  // one that the ground asks for tells nothing: it would ask again at once
  changed.mockClear();
  expect(await keeper.compare()).toBe(false);
  expect(changed).not.toHaveBeenCalled();
});
