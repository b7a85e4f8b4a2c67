import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { LOADS_OF_IMAGE } from "#protocol/fpga-device.ts";
import { LOADS_OF_USER, LoadJournal } from "./load-journal.ts";

const idOf = (n: number) => n.toString(16).padStart(32, "0");

function journal() {
  const db = new DatabaseSync(":memory:");
  const loads = new LoadJournal(db, () => 0);
  const load = (image: string, { user = "ada", node = "fpga", run = "r" } = {}) => {
    const n = loads.begin({ node, adapter: "xilinx-sysfs", user, image, run });
    loads.end(n, "operating", "operating");
  };
  return { db, loads, load };
}

describe("the loads that are kept", () => {
  it("are an image's latest, and with the image they go", () => {
    const { loads, load } = journal();
    for (let n = 0; n < LOADS_OF_IMAGE + 5; n++) load(idOf(1));
    load(idOf(2));
    load(idOf(1), { user: "bob" });
    expect(loads.of("ada").filter(({ image }) => image === idOf(1))).toHaveLength(LOADS_OF_IMAGE);
    loads.forget("ada", idOf(1));
    expect(loads.of("ada").map(({ image }) => image)).toEqual([idOf(2)]);
    expect(loads.of("bob")).toHaveLength(1);
  });

  it("have among them what a device holds, and what was cut short, when their image goes", () => {
    const { db, loads, load } = journal();
    load(idOf(1), { run: "earlier" });
    loads.begin({ node: "fpga", adapter: "a", user: "ada", image: idOf(1), run: "cut" });
    load(idOf(1), { run: "last" });
    const next = new LoadJournal(db, () => 0);
    next.forget("ada", idOf(1));
    expect(next.of("ada").map(({ run }) => run)).toEqual(["last", "cut"]);
    expect(next.interruptions("cut")).toBe(1);
    expect(next.last("fpga")?.run).toBe("last");
  });

  it("are so many of a user, and what another node holds", () => {
    const { loads, load } = journal();
    load(idOf(0), { node: "other" });
    load(idOf(0), { user: "bob" });
    for (let n = 1; n <= LOADS_OF_USER + 10; n++) load(idOf(n));
    const kept = loads.of("ada");
    expect(kept).toHaveLength(LOADS_OF_USER + 1);
    expect(kept[0]?.image).toBe(idOf(LOADS_OF_USER + 10));
    expect(kept.at(-1)?.node).toBe("other");
    expect(loads.of("bob")).toHaveLength(1);
  });
});
