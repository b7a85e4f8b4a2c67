import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, test } from "vitest";
import { RunStore } from "#agent/pods/runs/run-store.ts";
import { OPERATIONS } from "#protocol/operations.ts";
import { type EarlierData, earlierData } from "./support/earlier-data.ts";

let earlier: EarlierData | undefined;
afterEach(() => {
  earlier?.remove();
  earlier = undefined;
});

test.each(["uplink-committed", "outcome-unreported"])(
  "the run records of 0.1.0, %s, are migrated",
  (name) => {
    earlier = earlierData("0.1.0", name);
    const db = new DatabaseSync(join(earlier.data, "agent/agent.sqlite"));
    try {
      const first = db.prepare("SELECT run, volume, volume_path, input FROM pod_runs ORDER BY n").all();
      const records = new RunStore(db).load();
      expect(first.length).toBeGreaterThan(0);
      expect(records.map(({ run }) => run)).toEqual(first.map(({ run }) => run));
      for (const [n, { input, volumes }] of records.entries()) {
        const { volume, volume_path, input: text } = first[n] as Record<string, string>;
        const before = JSON.parse(text!);
        expect(volumes).toEqual({ [volume!]: volume_path });
        expect(input).toMatchObject({
          pod: before.pod,
          image: before.image,
          mounts: [{ volume: before.volume, at: "/data" }],
          kind: before.node,
          maxMs: before.maxDuration * 60_000,
          onSameName: "replace",
        });
        expect(input.scheduledAt).toBe(before.scheduledTime);
        // And what is written now is read as it is.
        expect(OPERATIONS["pod.run"].input.parse(input)).toEqual(input);
      }
    } finally {
      db.close();
    }
  },
);
