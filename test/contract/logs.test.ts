import { beforeAll, describe, expect, it } from "vitest";
import type { Client, Query } from "./support/client.ts";
import { expectInvalid, expectRefusal } from "./support/expectations.ts";
import { run, stateOf, untilRunning, untilTerminated } from "./support/pods.ts";
import { named, other, user } from "./support/session.ts";

let client: Client;
const pod = named("log");

beforeAll(async () => {
  client = await user();
  await run(client, pod, {
    command: "echo one; echo two >&2; sleep 1; echo three; printf 'ünï 漢\\n'; printf 'no end'",
  });
  await untilTerminated(client, pod);
});

const logs = (query: Query = {}) => client.get("/em/pod/logs", { pod_name: pod, ...query });

describe("pod/logs", () => {
  it("is the text of stdout and stderr, over the pod's end", async () => {
    const answer = await logs();
    expect(answer.status).toBe(200);
    expect(answer.header("content-type")).toMatch(/^text\/plain\b/);
    expect(answer.header("x-content-type-options")).toBe("nosniff");
    const lines = answer.text.trimEnd().split("\n");
    expect(lines.slice(0, 2).sort()).toEqual(["one", "two"]);
    expect(lines.slice(2)).toEqual(["three", "ünï 漢", "no end"]);
  });

  it.each([
    [1, ["no end"]],
    [2, ["ünï 漢", "no end"]],
    [0, [""]],
  ])("tail=%i", async (tail, lines) => {
    expect((await logs({ tail })).text.trimEnd().split("\n")).toEqual(lines);
  });

  it("tail beyond all lines is all lines", async () => {
    expect((await logs({ tail: 1000 })).text).toBe((await logs()).text);
  });

  it("since, as a time with a zone, leaves out what is older", async () => {
    const name = named("log-since");
    const since = async (time: string, query: Query = {}) =>
      (await logs({ pod_name: name, since: time, ...query })).text;
    // The first line is in the log before the pod goes on, and the time is the edge's own, of a later second.
    await run(client, name, {
      command: "echo one; until [ -e /data/go ]; do sleep 0.1; done; sleep 1; date -u +%FT%TZ; echo last",
    });
    await expect.poll(async () => (await logs({ pod_name: name })).text).toBe("one\n");
    expect((await client.uplink({ go: "" }, { pod_name: name })).status).toBe(200);
    await untilTerminated(client, name);
    const { text } = await logs({ pod_name: name });
    const time = text.split("\n")[1]!;
    expect(await since(time)).toBe(`${time}\nlast\n`);
    expect(await since(time, { tail: 1 })).toBe("last\n");
    expect(await since(new Date(Date.now() + 3600_000).toISOString())).toBe("");
    expect(await since("2020-01-01T00:00:00Z")).toBe(text);
  });

  it("follow streams what a running pod writes, and ends with it", { tags: ["server"] }, async () => {
    const name = named("log-follow");
    await run(client, name, { command: "for i in 1 2 3 4; do echo line $i; sleep 1; done" });
    await untilRunning(client, name);
    const response = await client.open("GET", `/em/pod/logs?pod_name=${name}&follow=true`);
    expect(response.status).toBe(200);
    let text = "";
    let sawRunning = false;
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (!sawRunning && text.includes("line 1\n")) {
        sawRunning = "running" in (await stateOf(client, name));
      }
    }
    expect(sawRunning).toBe(true);
    expect(text).toBe("line 1\nline 2\nline 3\nline 4\n");
    expect(await stateOf(client, name)).toHaveProperty("terminated");
  });

  it("follow of a pod that has ended ends at once", async () => {
    expect((await logs({ follow: true, tail: 1 })).text.trimEnd()).toBe("no end");
  });

  it("a follower that goes away disturbs nobody", { tags: ["server"] }, async () => {
    const name = named("log-gone");
    await run(client, name, { command: "echo 1; sleep 10; echo 2; echo 3" });
    await untilRunning(client, name);
    const gone = new AbortController();
    const response = await client.open("GET", `/em/pod/logs?pod_name=${name}&follow=true`, {
      signal: gone.signal,
    });
    await response.body!.getReader().read();
    gone.abort();
    await untilTerminated(client, name);
    expect((await client.get("/em/pod/logs", { pod_name: name })).text).toBe("1\n2\n3\n");
  });

  it("a long line is one row; of one over 64 KiB the beginning comes, and says so", async () => {
    const name = named("log-long");
    const line = (length: number) => `head -c ${length} /dev/zero | tr '\\0' x; echo`;
    await run(client, name, { command: `${line(20_000)}; ${line(70_000)}; echo after` });
    await untilTerminated(client, name);
    const { text } = await client.get("/em/pod/logs", { pod_name: name });
    const [whole, cut, ...rest] = text.split("\n");
    expect(whole).toBe("x".repeat(20_000));
    expect(cut).toMatch(/^x{65000,65536} … \(line cut\)$/);
    expect(Buffer.byteLength(cut!)).toBeLessThanOrEqual(64 * 1024);
    expect(rest).toEqual(["after", ""]);
  });

  it("of a pod that wrote nothing is empty", async () => {
    const name = named("log-none");
    await run(client, name, { command: "true" });
    await untilTerminated(client, name);
    const answer = await client.get("/em/pod/logs", { pod_name: name });
    expect([answer.status, answer.text]).toEqual([200, ""]);
  });

  it("of a name never run is 404, also of another user's", async () => {
    expectRefusal(await logs({ pod_name: named("never-run") }), 404, "POD_NOT_FOUND");
    expectRefusal(await (await other()).get("/em/pod/logs", { pod_name: pod }), 404, "POD_NOT_FOUND");
  });

  it.each([
    ["tail", "x"],
    ["tail", "-1"],
    ["since", "yesterday"],
    ["since", "2025-05-22T12:10:00"],
    ["follow", "maybe"],
    ["previous", "2"],
    ["pod_name", "No"],
  ])("%s=%s is 400", async (field, value) => {
    expectInvalid(await logs({ [field]: value }), field);
  });
});
