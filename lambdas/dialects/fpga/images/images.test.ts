import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { Write } from "#lambdas/ports/ledger-store.ts";
import { MemoryTable } from "#test/support/memory-store.ts";
import { OwnRecords } from "../../own-records.ts";
import { IMAGE_BOUNDS } from "./image-record.ts";
import { Images, type StoreEnd } from "./images.ts";

const P = "p".repeat(32);
const OF = {
  bucket: "abc",
  key: "a.bin",
  name: "n",
  description: "",
  metadata: "{}",
  createdAt: 0,
  bytes: 10,
};
const ACTIVE: StoreEnd = { status: "active", sha256: "ab", format: "xclbin" };
const FAILED: StoreEnd = { status: "error", message: "FORMAT_EMPTY: x" };
const idOf = (n: number) => n.toString(16).padStart(32, "0");
const uuidOf = (n: number) => `00000000-0000-0000-0000-${n.toString(16).padStart(12, "0")}`;

let records: OwnRecords;
let images: Images;
beforeEach(() => {
  records = new OwnRecords(new MemoryTable().open(), "fpga");
  images = new Images(records);
});

/** The writes as the transaction of a command would make them. */
const land = async (writes: Promise<Write[]>) => records.transact(await writes);
const register = (n: number, project = P) =>
  land(images.registered(project, { ...OF, id: idOf(n), createdAt: n }));
const status = async (n: number) => (await images.find(P, idOf(n)))?.status;
const active = async (n: number) => {
  await register(n);
  await land(images.stored(P, idOf(n), ACTIVE));
};
const refused = (message: RegExp) => expect.objectContaining({ message: expect.stringMatching(message) });

describe("images", () => {
  it("are saving, then active with what was found of them", async () => {
    await register(1);
    expect(await images.find(P, idOf(1))).toMatchObject({ status: "saving", message: "copying" });
    await images.progressed(P, idOf(1), "checking");
    expect(await images.find(P, idOf(1))).toEqual({
      ...OF,
      id: idOf(1),
      createdAt: 1,
      status: "saving",
      message: "checking",
      containers: [],
    });
    await land(images.stored(P, idOf(1), { ...ACTIVE, note: "NOT_CHECKED: x" }));
    expect(await images.find(P, idOf(1))).toMatchObject({
      status: "active",
      sha256: "ab",
      format: "xclbin",
      message: "NOT_CHECKED: x",
    });
    await register(2);
    await images.progressed(P, idOf(2), "checking");
    await land(images.stored(P, idOf(2), ACTIVE));
    expect(await images.find(P, idOf(2))).not.toHaveProperty("message");
    expect((await images.all(P)).map(({ id }) => id)).toEqual([idOf(1), idOf(2)]);
    expect(await images.all("q".repeat(32))).toEqual([]);
    expect(await images.find("q".repeat(32), idOf(1))).toBeUndefined();
  });

  it("never go back", async () => {
    await active(1);
    for (const end of [FAILED, ACTIVE]) expect(await images.stored(P, idOf(1), end)).toEqual([]);
    await images.progressed(P, idOf(1), "checking");
    expect(await images.find(P, idOf(1))).not.toHaveProperty("message");
    await land(images.deleting(P, idOf(1)));
    expect(await images.stored(P, idOf(1), ACTIVE)).toEqual([]);
    expect(await images.lost(P, idOf(1))).toEqual([]);
    expect(await images.deleting(P, idOf(1))).toEqual([]);
    await land(images.deleted(P, idOf(1)));
    expect(await status(1)).toBeUndefined();
    expect(await images.stored(P, idOf(1), ACTIVE)).toEqual([]);
    expect(await images.deleted(P, idOf(1))).toEqual([]);
    await expect(images.deleting(P, idOf(1))).rejects.toEqual(refused(/doesn't exist$/));
  });

  it("end in error with a message, and are lost only from active", async () => {
    await register(1);
    expect(await images.lost(P, idOf(1))).toEqual([]);
    await land(images.stored(P, idOf(1), FAILED));
    expect(await images.find(P, idOf(1))).toMatchObject(FAILED);
    await active(2);
    await land(images.lost(P, idOf(2)));
    expect(await images.find(P, idOf(2))).toMatchObject({
      status: "error",
      message: expect.stringMatching(/^LOST: /),
    });
  });

  it("that are to be removed go with the end of the command that was cancelled for it, and no other end", async () => {
    await register(1);
    expect(await images.markRemoving(P, idOf(1))).toBe(true);
    await land(images.stored(P, idOf(1), { status: "error", message: "CANCELLED: x" }));
    expect(await status(1)).toBeUndefined();
    await register(2);
    await images.markRemoving(P, idOf(2));
    await land(images.stored(P, idOf(2), ACTIVE));
    expect(await images.find(P, idOf(2))).toMatchObject({ status: "active" });
    expect(await images.markRemoving(P, idOf(2))).toBe(false);
  });

  it("of one moment: who decided on an earlier one is refused by the store", async () => {
    await active(1);
    const deletion = await images.deleting(P, idOf(1));
    await images.associate(P, idOf(1), uuidOf(1));
    await expect(records.transact(deletion)).rejects.toThrow("condition");
    await expect(images.deleting(P, idOf(1))).rejects.toEqual(refused(/is protected$/));
    await expect(images.markRemoving(P, idOf(1))).rejects.toEqual(refused(/is protected$/));
    await images.disassociate(P, idOf(1), uuidOf(1));
    await land(images.deleting(P, idOf(1)));
    await expect(images.associate(P, idOf(1), uuidOf(1))).rejects.toEqual(refused(/not in Active state/));
  });

  it("are a hundred for each project, two hundred with those that are being deleted", async () => {
    for (let n = 0; n < IMAGE_BOUNDS.live; n++) await register(n);
    await expect(register(100)).rejects.toEqual(refused(/100 FPGA images, of at most 100/));
    await register(100, "q".repeat(32));
    for (let n = 0; n < IMAGE_BOUNDS.live; n++) {
      await land(images.deleting(P, idOf(n)));
      await register(1000 + n);
    }
    await land(images.deleting(P, idOf(1000)));
    await expect(register(2000)).rejects.toEqual(refused(/200 FPGA images with/));
    await land(images.deleted(P, idOf(0)));
    await register(2000);
    expect(await images.all(P)).toHaveLength(200);
  });
});

describe("associations", () => {
  it("are made of an active image, once, and end by themselves", async () => {
    await register(1);
    await expect(images.associate(P, idOf(1), uuidOf(1))).rejects.toEqual(refused(/not in Active state/));
    await expect(images.associate(P, idOf(9), uuidOf(1))).rejects.toEqual(refused(/doesn't exist$/));
    await land(images.stored(P, idOf(1), ACTIVE));
    await active(2);
    await images.associate(P, idOf(1), uuidOf(1));
    await expect(images.associate(P, idOf(1), uuidOf(1))).rejects.toEqual(refused(/relation already exist/));
    await images.associate(P, idOf(1), uuidOf(2));
    await images.associate(P, idOf(2), uuidOf(1));
    const pairs = async (of: Parameters<Images["pairs"]>[1]) =>
      (await images.pairs(P, of)).map(({ container, image }) => [container, image.id]);
    expect(await pairs({})).toEqual([]);
    expect(await pairs({ container: uuidOf(1) })).toEqual([
      [uuidOf(1), idOf(2)],
      [uuidOf(1), idOf(1)],
    ]);
    expect(await pairs({ image: idOf(1) })).toEqual([
      [uuidOf(2), idOf(1)],
      [uuidOf(1), idOf(1)],
    ]);
    expect(await pairs({ image: idOf(1), container: uuidOf(2) })).toEqual([[uuidOf(2), idOf(1)]]);
    expect(await pairs({ image: idOf(2), container: uuidOf(2) })).toEqual([]);
    expect(await pairs({ container: uuidOf(9) })).toEqual([]);
    await expect(pairs({ image: idOf(9) })).rejects.toEqual(refused(/doesn't exist$/));
    await images.disassociate(P, idOf(1), uuidOf(1));
    await expect(images.disassociate(P, idOf(1), uuidOf(1))).rejects.toEqual(
      refused(/is not related to image/),
    );
    await expect(images.disassociate(P, idOf(9), uuidOf(1))).rejects.toEqual(refused(/doesn't exist$/));
    await images.disassociate(P, idOf(2), uuidOf(1));
    expect(await pairs({ container: uuidOf(1) })).toEqual([]);
  });

  it("are ten for a container image and a hundred for an FPGA image", async () => {
    for (let n = 0; n <= IMAGE_BOUNDS.ofContainer; n++) await active(n);
    for (let n = 0; n < IMAGE_BOUNDS.ofContainer; n++) await images.associate(P, idOf(n), uuidOf(0));
    await expect(images.associate(P, idOf(IMAGE_BOUNDS.ofContainer), uuidOf(0))).rejects.toEqual(
      refused(/max limit$/),
    );
    for (let n = 1; n < IMAGE_BOUNDS.containers; n++) await images.associate(P, idOf(0), uuidOf(n));
    await expect(images.associate(P, idOf(0), uuidOf(1000))).rejects.toEqual(refused(/max limit$/));
  });
});

describe("histories", () => {
  const acts = [
    "register",
    "active",
    "error",
    "delete",
    "deleted",
    "associate",
    "disassociate",
    "mark",
  ] as const;

  /** What an act decides on what it reads; undefined when it is refused, or was made already. */
  async function decide(act: (typeof acts)[number], n: number): Promise<Write[] | undefined> {
    try {
      if (act === "register") return await images.registered(P, { ...OF, id: idOf(n) });
      if (act === "active") return await images.stored(P, idOf(n), ACTIVE);
      if (act === "error") return await images.stored(P, idOf(n), FAILED);
      if (act === "delete") return await images.deleting(P, idOf(n));
      if (act === "deleted") return (await status(n)) === "deleting" ? await images.deleted(P, idOf(n)) : [];
      if (act === "associate") await images.associate(P, idOf(n), uuidOf(0));
      if (act === "disassociate") await images.disassociate(P, idOf(n), uuidOf(0));
      if (act === "mark") await images.markRemoving(P, idOf(n));
    } catch {
      return undefined;
    }
    return undefined;
  }

  it("end as one after another would, whoever decides on what has changed meanwhile", async () => {
    const order = ["saving", "active", "error", "deleting", undefined];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...acts), fc.nat(2), fc.nat(3)), { minLength: 5, maxLength: 40 }),
        async (history) => {
          records = new OwnRecords(new MemoryTable().open(), "fpga");
          images = new Images(records);
          const late: { writes: Write[]; at: number }[] = [];
          const known = new Map<number, string | undefined>();
          for (const [at, [act, n, delay]] of history.entries()) {
            const writes = await decide(act, n);
            if (writes && writes.length > 0) late.push({ writes, at: at + delay });
            for (const one of late.filter((other) => other.at <= at)) {
              late.splice(late.indexOf(one), 1);
              await records.transact(one.writes).catch(() => {});
            }
            for (const m of [0, 1, 2]) {
              const now = await status(m);
              const before = known.get(m);
              if (before !== undefined)
                expect(order.indexOf(now)).toBeGreaterThanOrEqual(order.indexOf(before));
              known.set(m, now);
            }
            const all = await images.all(P);
            const related = all.filter(({ containers }) => containers.length > 0);
            // protected ones are never on their way out, and both lists say the same
            for (const image of related) expect(image.status).toBe("active");
            const pairs = await images.pairs(P, { container: uuidOf(0) });
            expect(pairs.map(({ image }) => image.id).sort()).toEqual(related.map(({ id }) => id).sort());
            const count = await records.get<object>({ pk: `count#${P}`, sk: "count" });
            expect(count?.data ?? { rows: 0, deleting: 0 }).toEqual({
              rows: all.length,
              deleting: all.filter((image) => image.status === "deleting").length,
            });
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
