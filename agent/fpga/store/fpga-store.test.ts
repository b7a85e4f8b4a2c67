import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Budget } from "#agent/budget/budget.ts";
import { ShuttingDown } from "#agent/operation.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import { TestCommand } from "#test/support/operation-context.ts";
import { fpgaHandlers } from "./fpga-handlers.ts";
import { FpgaStore } from "./fpga-store.ts";

const log = pino({ level: "silent" });
const idOf = (n: number) => n.toString(16).padStart(32, "0");
const CONTENT = randomBytes(300 * KiB);

let root: string;
let store: FpgaStore;
let quota: number;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(tmpdir(), "fpga-store-"));
  quota = Number.MAX_SAFE_INTEGER;
  open();
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

/** As an agent's start does; what was in memory is gone. */
function open(freeFloorBytes = 0): void {
  store = new FpgaStore({ root: path.join(root, "fpga"), log, freeFloorBytes });
}

function handlers() {
  const usage = async (user: string) => store.usage(user);
  return fpgaHandlers({ store, budget: new Budget({ known: usage, measure: usage, quota: () => quota }) });
}

/** A command that stores `content` as image `n`. */
function storing(n: number, content = CONTENT, user = "ann"): TestCommand<"fpga.store"> {
  const sha256 = createHash("sha256").update(content).digest("hex");
  const command = new TestCommand(path.join(root, "staging"), user, "fpga.store", {
    image: idOf(n),
    sha256,
    bytes: content.length,
    format: "xilinx-bin-be",
    payload: { offset: 0, length: content.length },
    checks: { idcode: 0x03822093 },
    metadata: '{"n":1}',
  });
  fs.writeFileSync(path.join(command.staging, "0"), content);
  return command;
}
const run = (command: TestCommand<"fpga.store">, signal?: AbortSignal) =>
  handlers()["fpga.store"](command.context(signal));
const remove = (n: number, user = "ann") => {
  const command = new TestCommand(path.join(root, "staging"), user, "fpga.delete", { image: idOf(n) });
  return handlers()["fpga.delete"](command.context());
};
const content = (n: number, user = "ann") => {
  const found = store.find(user, idOf(n));
  return found && fs.readFileSync(found.file);
};
/** Every file in the store, by its path in it. */
const files = () =>
  fs
    .readdirSync(path.join(root, "fpga"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(path.join(root, "fpga"), path.join(entry.parentPath, entry.name)))
    .sort();

describe("files for FPGAs", () => {
  it("are held with what is known of them, and read again after a start", async () => {
    const command = storing(1);
    expect(await run(command)).toEqual({
      ...{ sha256: command.input.sha256, bytes: CONTENT.length },
      log: expect.stringMatching(/ begun: 307200 bytes .*all of it is here.* stored\n$/s),
    });
    open();
    expect(store.images("ann")).toEqual([command.input]);
    expect(content(1)?.equals(CONTENT)).toBe(true);
    expect(files()).toEqual([`ann/${command.input.sha256}`, `ann/images/${idOf(1)}.json`]);
    expect(store.usage("ann")).toBe(CONTENT.length);
    expect(store.find("ann", idOf(2))).toBeUndefined();
    expect(store.find("bob", idOf(1))).toBeUndefined();
  });

  it("are kept once for each user and digest, and sent once", async () => {
    await run(storing(1));
    const again = storing(2);
    await run(again);
    expect(again.fetched).toEqual([]);
    const other = storing(3, CONTENT, "bob");
    await run(other);
    expect(other.fetched).toHaveLength(1);
    expect(store.usage("ann")).toBe(CONTENT.length);
    expect(store.usage("bob")).toBe(CONTENT.length);
    await remove(1);
    expect(content(2)?.equals(CONTENT)).toBe(true);
    await remove(2);
    expect(store.usage("ann")).toBe(0);
    expect(content(3, "bob")?.equals(CONTENT)).toBe(true);
    await remove(2);
    await remove(3);
    expect(content(3, "bob")?.equals(CONTENT)).toBe(true);
  });

  it("are sent again when what is here has not its digest any more", async () => {
    const command = storing(1);
    await run(command);
    const file = store.find("ann", idOf(1))!.file;
    fs.writeFileSync(file, Buffer.concat([CONTENT.subarray(0, -1), Buffer.of(CONTENT.at(-1)! ^ 1)]));
    const again = storing(2);
    await run(again);
    expect(again.fetched).toHaveLength(1);
    for (const n of [1, 2]) expect(content(n)?.equals(CONTENT)).toBe(true);
    expect(store.usage("ann")).toBe(CONTENT.length);
  });

  it("are refused when they are not what was announced, and nothing stays", async () => {
    const changed = storing(1);
    changed.onFetch = (_n, _start, bytes) =>
      Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1)! ^ 1)]);
    await expect(run(changed)).rejects.toMatchObject({
      code: "CHECKSUM_MISMATCH",
      data: { log: expect.stringMatching(/ CHECKSUM_MISMATCH: .*\n$/) },
    });
    // once more, as the first try may have gone on with what a power cut had left
    expect(changed.fetched).toHaveLength(2);
    const longer = storing(2);
    longer.onFetch = (_n, _start, bytes) => Buffer.concat([bytes, Buffer.of(0)]);
    await expect(run(longer)).rejects.toMatchObject({ code: "CHECKSUM_MISMATCH" });
    const shorter = storing(3);
    shorter.onFetch = (_n, _start, bytes) => bytes.subarray(0, -1);
    await expect(run(shorter)).rejects.toMatchObject({ code: "CHECKSUM_MISMATCH" });
    expect(files()).toEqual([]);
  });

  it("count in the quota, and keep the disk's floor", async () => {
    quota = CONTENT.length + 10;
    await run(storing(1));
    await run(storing(2));
    await expect(run(storing(3, randomBytes(11)))).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
    await run(storing(4, randomBytes(10)));
    quota = Number.MAX_SAFE_INTEGER;
    open(Number.MAX_SAFE_INTEGER);
    await expect(run(storing(5, randomBytes(20)))).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(store.images("ann").map(({ image }) => image)).toEqual([1, 2, 4].map(idOf));
  });

  it("go on at the byte where a stopping agent was, and end with a cancel", async () => {
    const half = CONTENT.length / 2;
    const stopped = storing(1);
    const stop = new AbortController();
    stopped.onFetch = (_n, start, bytes) => {
      if (start > 0) return bytes;
      async function* cut() {
        yield bytes.subarray(0, half);
        stop.abort(new ShuttingDown());
        yield bytes.subarray(half);
      }
      return Readable.from(cut(), { objectMode: false });
    };
    await expect(run(stopped, stop.signal)).rejects.toBeInstanceOf(ShuttingDown);
    open();
    await store.sweep(new Set([stopped.id]));
    await run(stopped);
    expect(stopped.fetched.at(-1)?.start).toBeGreaterThan(0);
    expect(content(1)?.equals(CONTENT)).toBe(true);

    const cancelled = storing(2, randomBytes(1000));
    const cancel = new AbortController();
    cancelled.onFetch = (_n, _start, bytes) => {
      cancel.abort(new PerigeeError("CANCELLED", "cancelled"));
      return bytes;
    };
    await expect(run(cancelled, cancel.signal)).rejects.toMatchObject({ code: "CANCELLED" });
    expect(store.images("ann")).toHaveLength(1);
    expect(fs.existsSync(cancelled.staging) && store.users()).toEqual(["ann"]);
  });

  it("what a power cut damaged is received again", async () => {
    const command = storing(1);
    fs.writeFileSync(store.incoming(command.id), Buffer.alloc(1000));
    await run(command);
    expect(command.fetched).toEqual([
      { n: 0, start: 1000 },
      { n: 0, start: 0 },
    ]);
    expect(content(1)?.equals(CONTENT)).toBe(true);
  });

  it("whose agent died around its commit are held once it goes on, swept or not", async () => {
    for (const [n, after] of [
      [1, false],
      [2, true],
    ] as const) {
      const command = storing(n, randomBytes(500 + n));
      const crash = (step: string) => {
        if (step === "commit") throw new ShuttingDown();
      };
      command[after ? "afterNote" : "beforeNote"] = crash;
      await expect(run(command)).rejects.toBeInstanceOf(ShuttingDown);
      command.beforeNote = undefined;
      command.afterNote = undefined;
      open();
      // as if it had been swept all the same
      await store.sweep(new Set());
      await run(command);
      expect(content(n)?.length).toBe(500 + n);
    }
  });
});

describe("the sweep", () => {
  it("removes what nothing refers to, and nothing else", async () => {
    const kept = storing(1);
    await run(kept);
    const lost = "ab".repeat(32);
    fs.writeFileSync(path.join(root, "fpga", "ann", lost), "x");
    fs.writeFileSync(path.join(root, "fpga", "ann", "images", `${idOf(9)}.json.part`), "{");
    const [going, gone] = [storing(2), storing(3)];
    for (const command of [going, gone]) fs.writeFileSync(store.incoming(command.id), "x");
    await store.sweep(new Set([going.id]));
    expect(files()).toEqual(
      [`.incoming/${going.id}`, `ann/${kept.input.sha256}`, `ann/images/${idOf(1)}.json`].sort(),
    );
  });

  it("removes no file while a record cannot be read", async () => {
    const command = storing(1);
    await run(command);
    const record = path.join(root, "fpga", "ann", "images", `${idOf(1)}.json`);
    fs.writeFileSync(record, "{");
    await store.sweep(new Set());
    expect(store.images("ann")).toEqual([]);
    expect(store.hasFile("ann", command.input.sha256)).toBe(true);
    // the image can still be removed; then no record refers to the file
    await remove(1);
    await store.sweep(new Set());
    expect(store.hasFile("ann", command.input.sha256)).toBe(false);
  });
});

it("names never become paths", () => {
  for (const image of ["../x", "", "A".repeat(32)]) expect(() => store.find("ann", image)).toThrow(TypeError);
  expect(() => store.find("../ann", idOf(1))).toThrow(TypeError);
  expect(() => store.hasFile("ann", "../x")).toThrow(TypeError);
  expect(() => store.incoming("../x")).toThrow(TypeError);
});
