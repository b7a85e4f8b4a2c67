import { expect, test } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import type { DialectCore } from "../core.ts";
import { OwnRecords } from "../own-records.ts";
import { holdings } from "./holdings.ts";
import { type JobRecord, keys, type PipelineRecord } from "./records.ts";

const of = { user: "ann", uid: "u", createdAt: 0 };
const from = (first: number, count: number) => Array.from({ length: count }, (_, n) => first + n);

test("the newest 100 jobs of that edge, however many newer ones there are on others; and whether there are more", async () => {
  const records = new OwnRecords(new MemoryTable().open(), "kabuto");
  const core = { records } as unknown as DialectCore;
  // of the first edge's in two pipelines, the older of which got the newest of them
  const pipelines = {
    em1: [from(1, 50).concat(101), from(51, 50)],
    em2: [from(200, 150)],
    em3: [from(400, 100)],
  };
  let id = 0;
  for (const [edge, lists] of Object.entries(pipelines)) {
    for (const jobs of lists) {
      const data = {
        id: ++id,
        name: "p",
        createdAt: 1,
        edge,
        onFailure: "stop",
        jobs,
      } satisfies PipelineRecord;
      await records.transact([{ put: { ...keys.object("u", "pipeline", id), data } }]);
      for (const job of jobs) {
        const data: JobRecord = {
          ...{ id: job, pipeline: id, image: null, command: null, createdAt: job, token: "t" },
          ...{ maxMinutes: null, node: null },
        };
        await records.transact([{ put: { ...keys.object("u", "job", job), data } }]);
      }
    }
  }
  const told = async (edge: string) => {
    const { items, more } = await holdings(core, { ...of, edge });
    return { names: items.map(({ name }) => Number(name)).sort((a, b) => a - b), more };
  };
  expect(await told("em1")).toEqual({ names: from(2, 100), more: true });
  expect(await told("em2")).toEqual({ names: from(250, 100), more: true });
  expect(await told("em3")).toEqual({ names: from(400, 100), more: false });
  expect(await told("em4")).toEqual({ names: [], more: false });
});
