import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const HOUR_MS = 3600_000;

export type ListedCommand = { command_id: string; operation: string; state: string };

export type EarlierData = {
  /** a fresh copy of the directory, for PERIGEE_DATA */
  data: string;
  /** the commands of each user as the earlier version listed them, newest first */
  commands: Record<string, ListedCommand[]>;
  remove(): void;
};

/**
 * Unpacks what an earlier version left behind, as if it had been killed just now: the ledger's times are
 * shifted, so that nothing in it is too old on the day the test runs.
 * @param name of the archive in `data-<version>/`, without `.tar.gz`
 */
export function earlierData(version: string, name: string): EarlierData {
  const from = join(import.meta.dirname, "..", `data-${version}`, name);
  const data = mkdtempSync(join(tmpdir(), "perigee-earlier-"));
  execFileSync("tar", ["-xzf", `${from}.tar.gz`, "-C", data]);
  const listed = JSON.parse(readFileSync(`${from}.json`, "utf8")) as Record<
    string,
    { data: ListedCommand[] }
  >;
  shiftTimes(join(data, "ledger.sqlite"));
  return {
    data,
    commands: Object.fromEntries(Object.entries(listed).map(([user, { data: list }]) => [user, list])),
    remove: () => rmSync(data, { recursive: true, force: true }),
  };
}

/** Moves every time in the ledger (13-digit numbers, ms since 1970) by the age of its last heartbeat. */
function shiftTimes(path: string): void {
  const ledger = new DatabaseSync(path);
  const beat = ledger.prepare("SELECT data FROM items WHERE sk = 'heartbeat'").get();
  const by = Date.now() - (JSON.parse(String(beat?.data)) as { at: number }).at;
  const near = (time: number) => Math.abs(time + by - Date.now()) < 24 * HOUR_MS;
  for (const { pk, sk, data } of ledger.prepare("SELECT pk, sk, data FROM items").all()) {
    const moved = String(data).replace(/\b\d{13}\b/g, (text) =>
      near(Number(text)) ? String(Number(text) + by) : text,
    );
    ledger.prepare("UPDATE items SET data = ? WHERE pk = ? AND sk = ?").run(moved, pk!, sk!);
  }
  ledger.prepare("UPDATE items SET expires_at = expires_at + ?").run(by);
  ledger.close();
}
