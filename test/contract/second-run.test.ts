import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectRefusal } from "./support/expectations.ts";
import {
  fileOf,
  output,
  run,
  stateOf,
  UNTIL_TERM,
  until,
  untilRunning,
  untilTerminated,
} from "./support/pods.ts";
import { named, user } from "./support/session.ts";

let client: Client;

beforeAll(async () => {
  client = await user();
});

const logs = async (pod: string, previous = false) =>
  (await client.get("/em/pod/logs", { pod_name: pod, previous })).text;
const later = (ms: number) => new Date(Date.now() + ms).toISOString();

describe("a second run of a name", () => {
  it("stops the first one gracefully and takes its place", async () => {
    const pod = named("s-replace");
    const first =
      "trap 'echo first was asked; echo bye > /data/bye; exit 0' TERM; echo first; sleep 3600 & wait";
    await run(client, pod, { command: first });
    await untilRunning(client, pod);
    await run(client, pod, { command: "cat /data/bye; echo second" });
    // from the 200 on, nothing of the first run is told
    const state = await stateOf(client, pod);
    if (state.waiting) expect(state.waiting.reason).toBe("ContainerCreating");
    expect(await output(client, pod)).toBe("bye\nsecond\n");
    expect(await logs(pod, true)).toBe("first\nfirst was asked\n");
    expect((await fileOf(client, pod, "bye")).toString()).toBe("bye\n");
  });

  it("never shows the end of the run before", async () => {
    const pod = named("s-shows");
    await run(client, pod, { command: "exit 3;" });
    expect(await untilTerminated(client, pod)).toMatchObject({ exitCode: 3 });
    await run(client, pod, { command: "sleep 1; exit 4" });
    const seen = new Set<number>();
    await until(client, pod, (state) => {
      if (state.terminated) seen.add(state.terminated.exitCode);
      return state.terminated !== undefined;
    });
    expect([...seen]).toEqual([4]);
  });

  it("is waiting with ContainerCreating while the first is on its way out", async () => {
    const pod = named("s-slow");
    await run(client, pod, { command: "trap 'sleep 4; exit 0' TERM; echo up; sleep 3600 & wait; wait" });
    await untilRunning(client, pod);
    await run(client, pod, { command: "echo second" });
    expect(await stateOf(client, pod)).toMatchObject({ waiting: { reason: "ContainerCreating" } });
    expect(await output(client, pod)).toBe("second\n");
  });

  it("that is merely scheduled leaves the first running until its time", async () => {
    const pod = named("s-later");
    await run(client, pod, { command: "trap 'echo stopped; exit 0' TERM; echo first; sleep 3600 & wait" });
    await untilRunning(client, pod);
    const at = Date.now() + 15_000;
    await run(client, pod, { command: "echo second", scheduled_time: new Date(at).toISOString() });
    expect(await stateOf(client, pod)).toMatchObject({ waiting: { reason: "Scheduled" } });
    const end = await untilTerminated(client, pod);
    expect(Date.parse(end.startedAt!)).toBeGreaterThanOrEqual(Math.floor(at / 1000) * 1000);
    expect(await logs(pod)).toBe("second\n");
    expect(await logs(pod, true)).toBe("first\nstopped\n");
  });

  it("drops a first one that has not started", async () => {
    const pod = named("s-drop");
    await run(client, pod, { command: "touch /data/never", scheduled_time: later(10_000) });
    await run(client, pod, { image: named("not-there") });
    await until(client, pod, (state) => state.waiting?.reason === "ImagePullBackOff");
    await run(client, pod, { command: "sleep 11; ls /data" });
    expect(await output(client, pod)).toBe("");
  });

  it("keeps the logs of two runs, and tells when there is none before", async () => {
    const pod = named("s-logs");
    await run(client, pod, { command: "echo 1" });
    await untilTerminated(client, pod);
    const none = await client.get("/em/pod/logs", { pod_name: pod, previous: true });
    expectRefusal(none, 404, "POD_NOT_FOUND");
    for (const word of ["2", "3"]) {
      await run(client, pod, { command: `echo ${word}` });
      await untilTerminated(client, pod);
    }
    expect(await logs(pod)).toBe("3\n");
    expect(await logs(pod, true)).toBe("2\n");
  });

  it("of other names run beside each other", async () => {
    const pods = ["s-a", "s-b", "s-c"].map(named);
    for (const pod of pods) await run(client, pod, { command: UNTIL_TERM });
    for (const pod of pods) await untilRunning(client, pod);
    for (const pod of pods) {
      expect(await stateOf(client, pod)).toHaveProperty("running");
      await client.form("/em/pod/stop", { pod_name: pod });
    }
  });
});
