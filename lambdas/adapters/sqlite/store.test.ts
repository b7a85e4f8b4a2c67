import { chmod, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SqliteStore } from "./store.ts";

const key = { pk: "p", sk: "a" };

describe("SqliteStore", () => {
  let directory: string;
  let path: string;
  const closers: (() => unknown)[] = [];
  const open = (options?: ConstructorParameters<typeof SqliteStore>[1]) => {
    const store = new SqliteStore(path, options);
    closers.push(() => store.close());
    return store;
  };
  const raw = () => {
    const db = new DatabaseSync(path);
    closers.push(() => db.isOpen && db.close());
    return db;
  };
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "perigee-sqlite-"));
    path = join(directory, "data", "ledger.db");
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
    await rm(directory, { recursive: true });
  });
  const mode = async (file: string) => (await stat(file)).mode & 0o777;

  it("makes its directory and files for the owner alone, whatever the umask", async () => {
    await open().transact([{ put: { ...key, data: 1 } }]);
    const files = await readdir(join(directory, "data"));
    expect(files.sort()).toEqual(["ledger.db", "ledger.db-shm", "ledger.db-wal"]);
    for (const file of files) expect(await mode(join(directory, "data", file))).toBe(0o600);
    expect(await mode(join(directory, "data"))).toBe(0o700);
  });

  it("takes a file that others could read back to its owner", async () => {
    await open().close();
    await chmod(path, 0o644);
    open();
    expect(await mode(path)).toBe(0o600);
  });

  it("keeps what was written after the last one has closed", async () => {
    const store = open();
    await store.transact([{ put: { ...key, data: "kept" } }]);
    await store.close();
    expect(await open().get(key)).toMatchObject({ rev: 1, data: "kept" });
  });

  it("is in WAL mode at its layout's version, and leaves a newer layout alone", async () => {
    await open().close();
    const db = raw();
    expect(db.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    expect(db.prepare("PRAGMA user_version").get()).toEqual({ user_version: 1 });
    db.exec("PRAGMA user_version = 99");
    db.close();
    expect(() => new SqliteStore(path)).toThrow("layout 99");
  });

  it("waits for another process' transaction without holding up the event loop", async () => {
    const store = open();
    const other = raw();
    other.exec("BEGIN IMMEDIATE");
    let turns = 0;
    const writing = store.transact([{ put: { ...key, data: 1 } }]);
    let done = false;
    void writing.then(() => {
      done = true;
    });
    // Reads go on meanwhile, and so does everything else.
    for (; turns < 20; turns++) {
      expect(await store.get(key)).toBeUndefined();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(done).toBe(false);
    other.exec("COMMIT");
    await writing;
    expect(await store.get(key)).toMatchObject({ data: 1 });
  });

  it("shares one commit between transactions of one turn", async () => {
    const store = open();
    await store.transact([{ put: { ...key, data: 0 } }]);
    const logSize = async () => (await stat(`${path}-wal`)).size;
    const before = await logSize();
    await Promise.all(
      Array.from({ length: 200 }, (_, n) => store.transact([{ put: { pk: "p", sk: `${n}`, data: n } }])),
    );
    // 200 commits of their own would have written 200 pages of 4 KiB or more.
    expect((await logSize()) - before).toBeLessThan(100 * 4096);
    expect(await store.query({ pk: "p", limit: 1000 })).toHaveLength(201);
  });

  it("says STORAGE_FULL when there is no room, changes nothing, and goes on when there is room again", async () => {
    const store = open({ maxBytes: 1024 * 1024 });
    const put = (sk: string) => ({ put: { pk: "p", sk, data: sk.padEnd(300_000) } });
    const sks = async () => (await store.query({ pk: "p", limit: 10 })).map(({ sk }) => sk);
    await store.transact([put("a"), put("b"), put("c")]);
    const refused = await Promise.allSettled([
      store.transact([{ delete: { pk: "p", sk: "a" } }, put("d"), put("e")]),
      store.transact([{ put: { pk: "q", sk: "small", data: 1 } }]),
    ]);
    expect(refused).toMatchObject([
      { status: "rejected", reason: { code: "STORAGE_FULL" } },
      { status: "fulfilled" },
    ]);
    expect(await sks()).toEqual(["a", "b", "c"]);
    expect(await store.get({ pk: "q", sk: "small" })).toMatchObject({ rev: 1 });
    await store.transact([{ delete: { pk: "p", sk: "a" } }]);
    await store.transact([put("d")]);
    expect(await sks()).toEqual(["b", "c", "d"]);
  });

  it("finishes what was asked for before it closes, and refuses what comes after", async () => {
    const store = open();
    const writing = store.transact([{ put: { ...key, data: 1 } }]);
    await Promise.all([store.close(), writing]);
    await store.close();
    await expect(store.transact([{ put: { ...key, data: 2 } }])).rejects.toThrow("closed");
    await expect(store.get(key)).rejects.toThrow("closed");
    expect(await open().get(key)).toMatchObject({ rev: 1, data: 1 });
  });

  it("lets one bad transaction hurt none beside it", async () => {
    const store = open();
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    const outcomes = await Promise.allSettled([
      store.transact([{ put: { ...key, data: 1 } }]),
      store.transact([{ put: { pk: "p", sk: "b", data: cyclic } }]),
      store.transact([{ put: { pk: "p", sk: "c", expiresAt: 0.5, data: 1 } }]),
      store.transact([{ put: { pk: "p", sk: "\ud83d", data: 1 } }]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected"]);
    expect(await store.query({ pk: "p", limit: 10 })).toHaveLength(1);
  });
});
