import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectData, expectInvalid, expectRefusal, UTC_SECONDS } from "./support/expectations.ts";
import { run, UNTIL_TERM, until, untilRunning, untilTerminated } from "./support/pods.ts";
import { named, other, user } from "./support/session.ts";

let client: Client;

beforeAll(async () => {
  client = await user();
});

describe("pod/status", () => {
  it("is exactly the page's when the pod runs", async () => {
    const pod = named("st-run");
    await run(client, pod, { command: UNTIL_TERM });
    await untilRunning(client, pod);
    const answer = await client.get("/em/pod/status", { pod_name: pod });
    expect(expectData(answer, "Successfully fetched DPhi Pod status")).toEqual({
      state: { running: { startedAt: expect.stringMatching(UTC_SECONDS) } },
    });
    const age = Date.now() - Date.parse(answer.json.data.state.running.startedAt);
    expect(Math.abs(age)).toBeLessThan(10 * 60_000);
    await client.form("/em/pod/stop", { pod_name: pod });
  });

  it("is exactly one waiting state when it does not", async () => {
    const pod = named("st-wait");
    await run(client, pod, { image: named("nowhere") });
    await until(client, pod, (state) => state.waiting?.reason === "ImagePullBackOff");
    const answer = await client.get("/em/pod/status", { pod_name: pod });
    expect(expectData(answer, "Successfully fetched DPhi Pod status")).toEqual({
      state: {
        waiting: { message: expect.stringMatching(/^Back-off pulling image "/), reason: "ImagePullBackOff" },
      },
    });
    await client.form("/em/pod/stop", { pod_name: pod });
  });

  it("is whole when it has ended", async () => {
    const [good, bad] = [named("st-good"), named("st-bad")];
    await run(client, good, { command: "sleep 1" });
    await run(client, bad, { command: "exit 9;" });
    const end = await untilTerminated(client, good);
    expect(end).toMatchObject({
      exitCode: 0,
      reason: "Completed",
      startedAt: expect.stringMatching(UTC_SECONDS),
      finishedAt: expect.stringMatching(UTC_SECONDS),
    });
    expect(Date.parse(end.finishedAt!)).toBeGreaterThanOrEqual(Date.parse(end.startedAt!));
    expect(await untilTerminated(client, bad)).toMatchObject({ exitCode: 9, reason: "Error" });
  });

  it("tells a pod that used too much memory", async () => {
    const pod = named("st-oom");
    await run(client, pod, { command: "a=xxxxxxxx; while :; do a=$a$a; done" });
    // what writes a limit full needs the processor; max_duration ends it later than that
    const end = await untilTerminated(client, pod, 240_000);
    expect(end).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
  });

  it("of a name never run is 404, also of another user's", async () => {
    expectRefusal(await client.get("/em/pod/status", { pod_name: named("never-run") }), 404, "POD_NOT_FOUND");
    const pod = named("st-mine");
    await run(client, pod, { command: "true" });
    const theirs = await other();
    expectRefusal(await theirs.get("/em/pod/status", { pod_name: pod }), 404, "POD_NOT_FOUND");
  });

  it("of a name that breaks the rule is 400", async () => {
    expectInvalid(await client.get("/em/pod/status", { pod_name: "No" }), "pod_name");
  });
});
