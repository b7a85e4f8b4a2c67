import { expect, test } from "vitest";
import { transaction } from "#agent/database/transaction.ts";
import { Journal } from "#agent/journal/journal.ts";
import { isDiskFull, openStateDatabase } from "#agent/journal/state-database.ts";
import { MiB } from "#protocol/limits.ts";
import { SmallDisk } from "./support/small-disk.ts";

test("on a full disk a command that is to be forgotten stays, and the agent goes on", (context) => {
  const disk = SmallDisk.make(2 * MiB);
  if (!disk) return context.skip("nobody may mount a small disk here");
  try {
    const database = openStateDatabase(disk.path);
    const journal = new Journal(database);
    const command = { id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F", user: "ada", operation: "file.delete" };
    journal.start(command, () => {});
    journal.done(command.id, { state: "succeeded", result: {} });
    // What is written next needs room.
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    disk.fillTo(0);
    const cleaning = () => transaction(database, () => database.exec("DELETE FROM journal"));
    expect(cleaning).toThrow(expect.toSatisfy(isDiskFull));
    journal.forget(command.id);
    expect(journal.open()).toMatchObject([{ command: command.id, outcome: { state: "succeeded" } }]);
    disk.empty();
    journal.forget(command.id);
    expect(journal.open()).toEqual([]);
    database.close();
  } finally {
    disk.remove();
  }
});
