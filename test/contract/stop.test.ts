import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal } from "./support/expectations.ts";
import { output, run, stateOf, UNTIL_TERM, until, untilRunning, untilTerminated } from "./support/pods.ts";
import { named, other, user } from "./support/session.ts";

const STOPPED = { message: "Pod stopped successfully" };
let client: Client;

beforeAll(async () => {
  client = await user();
});

const stop = (pod_name: string, of = client) => of.form("/em/pod/stop", { pod_name });

describe("pod/stop", () => {
  it("ends a pod gracefully, and answers when it has ended", async () => {
    const pod = named("p-term");
    await run(client, pod, {
      command: "trap 'echo asked; sleep 1; exit 5' TERM; echo up; sleep 3600 & wait; wait",
    });
    await untilRunning(client, pod);
    expectOk(await stop(pod), STOPPED);
    const end = await untilTerminated(client, pod);
    expect(end.exitCode).toBe(5);
    expect(await output(client, pod)).toBe("up\nasked\n");
  });

  it("drops a scheduled one, which then never starts", async () => {
    const pod = named("p-sched");
    const scheduled_time = new Date(Date.now() + 10_000).toISOString();
    await run(client, pod, { command: "touch /data/started", scheduled_time });
    expectOk(await stop(pod), STOPPED);
    expect(await stateOf(client, pod)).toMatchObject({ terminated: { startedAt: null } });
    await run(client, named("p-look"), { pvc_name: pod, command: "sleep 11; ls /data" });
    expect(await output(client, named("p-look"))).toBe("");
  });

  it("ends one that waits for its image", async () => {
    const pod = named("p-wait");
    await run(client, pod, { image: named("nowhere") });
    await until(client, pod, (state) => state.waiting?.reason === "ImagePullBackOff");
    expectOk(await stop(pod), STOPPED);
    expect(await stateOf(client, pod)).toHaveProperty("terminated");
  });

  it("of one that has ended succeeds and changes nothing", async () => {
    const pod = named("p-ended");
    await run(client, pod, { command: "exit 6;" });
    const end = await untilTerminated(client, pod);
    expectOk(await stop(pod), STOPPED);
    expect(await stateOf(client, pod)).toEqual({ terminated: end });
  });

  it("of a name never run is 404, also of another user's, whose pod runs on", async () => {
    expectRefusal(await stop(named("never-run")), 404, "POD_NOT_FOUND");
    const pod = named("p-mine");
    await run(client, pod, { command: UNTIL_TERM });
    await untilRunning(client, pod);
    expectRefusal(await stop(pod, await other()), 404, "POD_NOT_FOUND");
    expect(await stateOf(client, pod)).toHaveProperty("running");
    expectOk(await stop(pod), STOPPED);
  });

  it("of a name that breaks the rule is 400", async () => {
    expectInvalid(await stop("No"), "pod_name");
  });
});
