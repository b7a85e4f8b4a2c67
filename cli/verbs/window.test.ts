import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { StoredWindows } from "#lambdas/windows/stored-windows.ts";
import { Stage } from "../testing/cli-process.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
});
afterEach(() => stage.close());

/** A time so many minutes from now, to the second. */
const at = (minutes: number) =>
  new Date(Math.round(Date.now() / 1000) * 1000 + minutes * 60_000).toISOString().replace(".000Z", "Z");

describe("perigee window", () => {
  let store: SqliteStore;
  beforeEach(async () => {
    store = new SqliteStore(join(stage.dir, "ledger.sqlite"));
    await new Accounts(store).addEdge("em1");
  });
  afterEach(() => store.close());
  const perigee = (...args: string[]) => stage.run(["window", ...args], { env: { PERIGEE_DATA: stage.dir } });
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await perigee(...args, "--json");
    expect([code, stderr]).toEqual([0, ""]);
    return (JSON.parse(stdout) as { data: Record<string, unknown> }).data;
  };
  const plan = () => new StoredWindows({ store, now: Date.now }).plan("em1");

  test("a plan is added to, listed, written to a file, imported and removed", async () => {
    const times = { start: at(42), end: at(51) };
    const options = [
      "--start",
      times.start,
      "--end",
      times.end,
      "--station",
      "Svalbard",
      "--downlink-bps",
      "256000",
    ];
    expect(await json("add", "em1", ...options)).toEqual({ edge: "em1", revision: 1, planned: 1 });
    expect(await json("list", "em1")).toEqual({
      edge: "em1",
      revision: 1,
      windows: [{ ...times, station: "Svalbard", uplink_bps: null, downlink_bps: 256_000 }],
    });
    const file = join(stage.dir, "plan.csv");
    const { stdout } = await perigee("list", "em1", "--csv");
    await writeFile(file, `${stdout}${at(130)},${at(139)},Inuvik,,\n${at(-20)},${at(-11)},Inuvik,,\n`);
    const imported = await perigee("import", "em1", file);
    expect([imported.code, imported.stdout, imported.stderr]).toEqual([
      0,
      "Replaced the plan of em1: 2 windows, revision 2\n",
      "left out what is over: 1\n",
    ]);
    expect(await json("remove", "em1", "--start", times.start)).toMatchObject({ revision: 3, planned: 1 });
    expect(await plan()).toMatchObject({ revision: 3, windows: [{ station: "Inuvik" }] });
  });

  test("what is wrong is named, and leaves the plan as it was", async () => {
    const file = join(stage.dir, "bad.csv");
    await writeFile(file, `start,end,station\n${at(42)},${at(51)},S\n${at(42)},${at(41)},S\n`);
    const bad = await perigee("import", "em1", file);
    expect([bad.code, bad.stderr]).toEqual([
      2,
      `perigee: ${file}, line 3: end: must be after start (USAGE)\n`,
    ]);
    const zone = await perigee(
      "add",
      "em1",
      "--start",
      "2030-01-01T00:00:00",
      "--end",
      at(9),
      "--station",
      "S",
    );
    expect([zone.code, zone.stderr.split("\n")[0]]).toEqual([
      2,
      "perigee: --start: must be a time with its zone, such as 2026-05-22T12:10:00Z (USAGE)",
    ]);
    const [edge, none] = await Promise.all([
      perigee("list", "em2"),
      perigee("remove", "em1", "--station", "S"),
    ]);
    expect([edge.code, none.code]).toEqual([4, 4]);
    expect(await plan()).toBeUndefined();
  });

  test("predicted windows are what an import takes", async () => {
    const tle = join(stage.dir, "a.tle");
    await writeFile(
      tle,
      "1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927\n" +
        "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537\n",
    );
    const station = ["--station", "Berlin,52.52,13.4,40", "--uplink-bps", "9600"];
    const from = ["--from", "2008-09-20T12:00:00Z", "--days", "1"];
    const { code, stdout, stderr } = await perigee("predict", "--tle", tle, ...station, ...from, "--csv");
    expect([code, stderr]).toEqual([0, ""]);
    const [head, first] = stdout.split("\n");
    expect(head).toBe("start,end,station,uplink_bps,downlink_bps");
    expect(first).toMatch(/^2008-09-2\dT\d\d:\d\d:\d\dZ,2008-09-2\dT\d\d:\d\d:\d\dZ,Berlin,9600,$/);
  });
});

describe("who waits for contact", () => {
  const nodes = { json: { message: "Nodes", data: [{ name: "mpu1", status: "True" }] } };
  const window = () => ({ start: at(42), end: at(51), station: "Svalbard" });

  test("is told the next window, and goes on when contact is back before it", async () => {
    const next = window();
    const refused = {
      status: 503,
      headers: { "Retry-After": "0" },
      json: { error: "EM_UNREACHABLE", message: "CG2 is not in contact", next_window: next },
    };
    stage.ground.on("GET /em/nodes/status", refused, nodes);
    const { code, stderr } = await stage.run(["nodes", "--expires", "2030-01-01T00:00:00+01:00"]);
    expect([code, stderr]).toEqual([
      0,
      `out of contact; next window ${next.start.slice(11, 16)}Z, for 9 min; waiting\n`,
    ]);
    const sent = stage.ground.calls("GET /em/nodes/status").map(({ headers }) => headers["perigee-expires"]);
    expect(sent).toEqual(["2029-12-31T23:00:00.000Z", "2029-12-31T23:00:00.000Z"]);
  });

  test("sees the windows of the edge", async () => {
    const windows = { present: null, next: { ...window(), uplink_bytes: 9600 }, planned: 7 };
    stage.ground.on("GET /edge", { json: { message: "ok", data: { edge: "em1", queued: 0, windows } } });
    const { stdout } = await stage.run(["edge"]);
    expect(stdout).toMatch(
      /windows: next window .*\d\d:\d\dZ, in 4[12] min, for 9 min \(Svalbard; 9\.4 KiB up\); 7 planned\n/,
    );
  });
});
