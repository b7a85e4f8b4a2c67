import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { fileOf, untilTerminated } from "./support/pods.ts";
import { named, user } from "./support/session.ts";
import { LONG_RUNS } from "./support/target.ts";

/** The suite's setup started them with a max_duration of one minute. */
describe("after max_duration", () => {
  let client: Client;

  beforeAll(async () => {
    client = await user();
  });

  const seconds = ({ startedAt, finishedAt }: { startedAt: string | null; finishedAt: string | null }) =>
    (Date.parse(finishedAt!) - Date.parse(startedAt!)) / 1000;

  it("a pod is asked to end, and the status says DeadlineExceeded", async () => {
    const pod = named(LONG_RUNS.graceful);
    const end = await untilTerminated(client, pod, 100_000);
    expect(end).toMatchObject({ reason: "DeadlineExceeded", exitCode: 7 });
    expect(seconds(end)).toBeGreaterThanOrEqual(59);
    expect(seconds(end)).toBeLessThan(80);
    expect((await fileOf(client, pod, "asked")).toString()).toBe("asked\n");
    expect((await client.get("/em/pod/logs", { pod_name: pod })).text).toBe("up\n");
  });

  it("one that waits for its image ends so too", async () => {
    const end = await untilTerminated(client, named(LONG_RUNS.missing), 100_000);
    expect(end).toMatchObject({ reason: "DeadlineExceeded", startedAt: null });
  });

  it("one that hears nothing is killed after 30 s of grace", { timeout: 450_000 }, async () => {
    const end = await untilTerminated(client, named(LONG_RUNS.deaf), 140_000);
    expect(end).toMatchObject({ reason: "DeadlineExceeded", exitCode: 137 });
    expect(seconds(end)).toBeGreaterThanOrEqual(89);
    expect(seconds(end)).toBeLessThan(115);
  });
});
