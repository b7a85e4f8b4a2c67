import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import type { InventoryReport, VolumeEntry } from "#protocol/wire.ts";
import { InventoryReporter } from "./inventory-reporter.ts";

describe("the reporter of images and volumes", () => {
  let volumes: Record<string, VolumeEntry[]>;
  let told: InventoryReport[];
  let fault: (report: InventoryReport) => void;
  let reporter: InventoryReporter;
  let now: number;

  const volume = (name: string, size = 1): VolumeEntry => ({ name, size, created: 5 });
  const settled = () => expect.poll(() => reporter.isCurrent).toBe(true);

  beforeEach(() => {
    volumes = { ann: [volume("data")], bob: [] };
    told = [];
    fault = () => {};
    now = 0;
    reporter = new InventoryReporter({
      images: async (user) => [{ name: `${user}s`, tag: "latest", id: "sha256:1", size: 7, created: 5 }],
      volumes: (user) => volumes[user] ?? [],
      fpga: () => ({ images: [], loads: [] }),
      send: async (report) => {
        fault(report);
        told.push(report);
      },
      log: pino({ level: "silent" }),
      now: () => now,
    });
    reporter.begun();
  });
  afterEach(() => reporter.close());

  test("tells each user's whole lists, once as long as nothing changes", async () => {
    reporter.changed("ann");
    reporter.changed("bob");
    reporter.changed("ann");
    await settled();
    reporter.changed("ann");
    await settled();
    expect(told.map(({ user }) => user)).toEqual(["ann", "bob"]);
    expect(told[0]).toEqual({
      user: "ann",
      images: [{ name: "anns", tag: "latest", id: "sha256:1", size: 7, created: 5 }],
      volumes: [volume("data")],
      truncated: false,
    });
    volumes.ann = [volume("data", 2)];
    reporter.changed("ann");
    await settled();
    expect(told.at(-1)?.volumes).toEqual([volume("data", 2)]);
  });

  test("without contact it waits, and then tells how things are, not how they were", async () => {
    let tries = 0;
    fault = () => {
      if (tries++ < 2) throw new Error("no contact");
    };
    reporter.changed("ann");
    await expect.poll(() => tries).toBeGreaterThan(0);
    expect(reporter.isCurrent).toBe(false);
    volumes.ann = [volume("later")];
    await settled();
    expect(told).toHaveLength(1);
    expect(told[0]?.volumes).toEqual([volume("later")]);
  });

  test("what was just listed is told without listing again, unless it had to wait", async () => {
    const listed = [{ name: "fresh", tag: "1", id: "sha256:2", size: 9, created: 6 }];
    reporter.changed("ann", listed);
    await settled();
    expect(told.at(-1)?.images).toEqual(listed);
    let tries = 0;
    fault = () => {
      if (tries++ < 1) throw new Error("no contact");
    };
    volumes.ann = [];
    reporter.changed("ann", listed);
    reporter.changed("bob", listed);
    await settled();
    expect(told.slice(1).map(({ images }) => images[0]?.name)).toEqual(["bobs", "anns"]);
  });

  test("is not current before everybody was looked at, nor where the ground takes no reports", async () => {
    const fresh = new InventoryReporter({
      images: async () => [],
      volumes: () => [],
      fpga: () => ({ images: [], loads: [] }),
      send: async () => {},
      log: pino({ level: "silent" }),
    });
    expect(fresh.isCurrent).toBe(false);
    await fresh.close();
    let tries = 0;
    fault = () => {
      tries++;
      throw new PerigeeError("NOT_FOUND", "There is no route");
    };
    reporter.changed("ann");
    await expect.poll(() => tries).toBe(1);
    reporter.changed("ann");
    expect(reporter.isCurrent).toBe(false);
    expect(tries).toBe(1);
  });

  test("a ground that took no reports is asked again after 10 minutes, for everybody who has changed", async () => {
    let tries = 0;
    fault = () => {
      if (tries++ === 0) throw new PerigeeError("NOT_FOUND", "There is no route");
    };
    reporter.changed("ann");
    await expect.poll(() => tries).toBe(1);
    reporter.changed("bob");
    now = 600_000;
    reporter.changed("bob");
    await settled();
    expect(told.map(({ user }) => user).toSorted()).toEqual(["ann", "bob"]);
  });

  test("a list that the ground refuses keeps nobody else's back, and is told when it is another", async () => {
    fault = (report) => {
      if (report.volumes[0]?.name === "refused") throw new PerigeeError("INVALID_PARAMETERS", "volumes: no");
    };
    volumes.ann = [volume("refused")];
    reporter.changed("ann");
    reporter.changed("bob");
    await settled();
    expect(told.map(({ user }) => user)).toEqual(["bob"]);
    volumes.ann = [volume("taken")];
    reporter.changed("ann");
    await settled();
    expect(told.at(-1)).toMatchObject({ user: "ann", volumes: [volume("taken")] });
  });

  test("says when a list is longer than a report", async () => {
    volumes.ann = Array.from({ length: 1001 }, (_, i) => volume(`v${i}`));
    reporter.changed("ann");
    await settled();
    expect(told[0]?.volumes).toHaveLength(1000);
    expect(told[0]?.truncated).toBe(true);
  });
});
