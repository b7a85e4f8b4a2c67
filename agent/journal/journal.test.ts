import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Journal } from "./journal.ts";
import { openStateDatabase } from "./state-database.ts";

const COMMAND = { id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F", user: "alice", operation: "volume.delete" };

let directory: string;
let database: ReturnType<typeof openStateDatabase>;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "perigee-journal-"));
  database = openStateDatabase(directory);
});
afterEach(async () => {
  if (database.isOpen) database.close();
  await rm(directory, { recursive: true });
});
/** The process dies or ends, and another one opens the state. */
const reopen = () => {
  database.close();
  database = openStateDatabase(directory);
  return new Journal(database);
};

describe("the journal", () => {
  test("keeps its id over a restart, and a new disk has another", async () => {
    const { id } = new Journal(database);
    expect(reopen().id).toBe(id);
    const other = await mkdtemp(join(tmpdir(), "perigee-journal-"));
    const elsewhere = openStateDatabase(other);
    expect(new Journal(elsewhere).id).not.toBe(id);
    elsewhere.close();
    await rm(other, { recursive: true });
  });

  test("its files are the agent's alone, also those of an agent from before", () => {
    const modes = () => readdirSync(directory).map((name) => statSync(join(directory, name)).mode & 0o777);
    expect(new Set(modes())).toEqual(new Set([0o600]));
    database.close();
    for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o644);
    database = openStateDatabase(directory);
    expect(new Set(modes())).toEqual(new Set([0o600]));
  });

  test("a second start finds the notes of the first, in order, and goes on after them", () => {
    const first = new Journal(database).start(COMMAND, () => {});
    expect(first.notes).toEqual([]);
    first.note("received", { files: 2 });
    first.note("checked");
    const second = reopen().start(COMMAND, () => {});
    expect(second.notes).toEqual([
      { step: "received", detail: { files: 2 } },
      { step: "checked", detail: undefined },
    ]);
    second.note("more");
    expect(reopen().start(COMMAND, () => {}).notes).toHaveLength(3);
  });

  test("tells of a commit when it is noted, and at the start after one", () => {
    let told = 0;
    const entry = new Journal(database).start(COMMAND, () => {
      told += 1;
    });
    entry.note("received");
    expect(told).toBe(0);
    entry.note("commit");
    expect(told).toBe(1);
    reopen().start(COMMAND, () => {
      told += 1;
    });
    expect(told).toBe(2);
  });

  test("holds an outcome until it is forgotten", () => {
    const journal = new Journal(database);
    journal.start(COMMAND, () => {}).note("commit");
    expect(journal.outcome(COMMAND.id)).toBeUndefined();
    journal.done(COMMAND.id, { state: "succeeded", result: { n: 1 } });
    const again = reopen();
    expect(again.outcome(COMMAND.id)).toEqual({ state: "succeeded", result: { n: 1 } });
    expect(again.open()).toEqual([
      { command: COMMAND.id, user: "alice", outcome: { state: "succeeded", result: { n: 1 } } },
    ]);
    again.forget(COMMAND.id);
    expect(again.open()).toEqual([]);
    expect(again.start(COMMAND, () => {}).notes).toEqual([]);
  });

  test("another process cannot open the state while one has it, and can when that one is gone", () => {
    const script = fileURLToPath(new URL("./state-database.ts", import.meta.url));
    const open = () =>
      spawnSync(process.execPath, [
        "--disable-warning=ExperimentalWarning",
        "--input-type=module",
        "--eval",
        `const { openStateDatabase } = await import(${JSON.stringify(script)});
         try { openStateDatabase(${JSON.stringify(directory)}); process.exit(0); }
         catch (error) { process.stderr.write(error.message); process.exit(9); }`,
      ]);
    const refused = open();
    expect(refused.status).toBe(9);
    expect(refused.stderr.toString()).toContain("in use by another agent");
    database.close();
    expect(open().status).toBe(0);
  });
});

describe("attempts that ended with the process", () => {
  const deaths = (journal: Journal, attempts = 1) => journal.earlier({ id: COMMAND.id, attempts }).deaths;

  test("count from one life to the next, and not what the ground counts", () => {
    let journal = new Journal(database);
    expect(deaths(journal, 7)).toBe(0);
    journal.start(COMMAND, () => {});
    for (const count of [1, 2, 3]) {
      journal = reopen();
      expect(deaths(journal, 9)).toBe(count);
      journal.start({ ...COMMAND, attempts: 9 }, () => {});
    }
  });

  test("do not count when a step was noted, or the agent stopped in order", () => {
    let journal = new Journal(database);
    journal.start(COMMAND, () => {}).note("received");
    journal = reopen();
    expect(deaths(journal)).toBe(0);
    journal.start(COMMAND, () => {});
    journal.interrupted(COMMAND.id);
    journal = reopen();
    expect(deaths(journal)).toBe(0);
    journal.start(COMMAND, () => {});
    expect(deaths(reopen())).toBe(1);
  });

  test("of an entry from before they were counted are the ground's count", () => {
    let journal = new Journal(database);
    journal.start(COMMAND, () => {});
    database.exec("UPDATE journal SET deaths = NULL, steps = NULL");
    expect(deaths(journal, 4)).toBe(3);
    journal.start({ ...COMMAND, attempts: 4 }, () => {});
    journal = reopen();
    expect(deaths(journal, 8)).toBe(4);
  });

  test("count for what only reads too, and nothing of it stays when it has ended", () => {
    let journal = new Journal(database);
    const entry = journal.start(COMMAND, () => {}, false);
    expect(() => entry.note("x")).toThrow("no journal");
    journal = reopen();
    expect(deaths(journal)).toBe(1);
    journal.start(COMMAND, () => {}, false);
    journal.readEnded(COMMAND.id);
    expect([deaths(journal), journal.open()]).toEqual([0, []]);
  });

  test("tell whether the command only goes forward", () => {
    const journal = new Journal(database);
    expect(journal.earlier(COMMAND)).toEqual({ outcome: undefined, committed: false, steps: [], deaths: 0 });
    journal.start(COMMAND, () => {}).note("commit");
    expect(reopen().earlier(COMMAND)).toMatchObject({ committed: true });
  });
});

describe("what is written together with a note", () => {
  const other = () => database.prepare("SELECT count(*) AS n FROM failed_submissions").get()!.n;
  const write = () =>
    void database.exec("INSERT INTO failed_submissions (user, space, submission) VALUES ('ann', 's', 'x')");
  const fail = () => {
    write();
    throw new Error("no room");
  };

  test("is there with it, or neither is", () => {
    const entry = new Journal(database).start(COMMAND, () => {});
    expect(() => entry.note("packed", {}, fail)).toThrow("no room");
    expect([other(), new Journal(database).earlier(COMMAND).steps]).toEqual([0, []]);
    entry.note("packed", {}, write);
    const journal = reopen();
    expect([other(), journal.earlier(COMMAND).steps]).toEqual([1, ["packed"]]);
  });

  test("also with the end", () => {
    const journal = new Journal(database);
    journal.start(COMMAND, () => {});
    expect(() => journal.done(COMMAND.id, { state: "cancelled" }, fail)).toThrow("no room");
    expect([other(), journal.outcome(COMMAND.id)]).toEqual([0, undefined]);
    journal.done(COMMAND.id, { state: "cancelled" }, write);
    const again = reopen();
    expect([other(), again.outcome(COMMAND.id)]).toEqual([1, { state: "cancelled" }]);
  });
});

describe("a command that only waits", () => {
  const deaths = () => new Journal(database).earlier(COMMAND).deaths;

  test("is not blamed for deaths of the process, however many", () => {
    new Journal(database).start(COMMAND, () => {}).note("fetched");
    for (let life = 0; life < 12; life++) {
      const journal = reopen();
      journal.start(COMMAND, () => {});
      journal.waits(COMMAND.id);
    }
    expect(deaths()).toBe(0);
  });

  test("is for those after it has gone on", () => {
    new Journal(database).start(COMMAND, () => {}).note("fetched");
    for (let life = 1; life <= 3; life++) {
      const journal = reopen();
      journal.start(COMMAND, () => {});
      journal.waits(COMMAND.id);
      journal.goesOn(COMMAND.id);
      reopen();
      expect(deaths()).toBe(life);
    }
  });
});
