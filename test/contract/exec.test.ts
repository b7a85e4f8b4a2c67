import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { Perigee } from "./support/perigee.ts";
import { run, UNTIL_TERM, untilRunning } from "./support/pods.ts";
import { named, other, user } from "./support/session.ts";

/** Live execution in a running pod, through the command as users have it. */
describe("perigee exec", () => {
  let client: Client;
  let perigee: Perigee;
  const pod = named("exec");

  beforeAll(async () => {
    client = await user();
    perigee = new Perigee(client);
    await run(client, pod, { command: UNTIL_TERM, envs: '{"A":"of-the-pod"}' });
    await untilRunning(client, pod);
  });
  afterAll(async () => {
    perigee.close();
    await client.form("/em/pod/stop", { pod_name: pod });
  });

  it("runs a command, keeps its streams apart and ends with its exit code", async () => {
    const hi = await perigee.run(["exec", pod, "--", "echo", "hi"]);
    expect(hi).toEqual({ code: 0, stdout: Buffer.from("hi\n"), stderr: "" });
    const both = await perigee.run(["exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(both).toEqual({ code: 7, stdout: Buffer.from("out\n"), stderr: "err\n" });
  });

  it("passes bytes both ways as they are, with the end of input", async () => {
    const bytes = randomBytes(3 * 1024 * 1024);
    const copied = await perigee.run(["exec", "-i", pod, "--", "cat"], bytes);
    expect([copied.code, copied.stdout.equals(bytes)]).toEqual([0, true]);
    const sum = await perigee.run(["exec", "-i", pod, "--", "sha256sum"], bytes);
    expect(sum.stdout.toString()).toContain(createHash("sha256").update(bytes).digest("hex"));
  });

  it("gives words, variables and the directory as they are", async () => {
    const words = await perigee.run(["exec", pod, "--", "printf", "%s|", "a b", "$A", "'", "\n"]);
    expect(words.stdout.toString()).toBe("a b|$A|'|\n|");
    const there = await perigee.run([
      "exec",
      "-e",
      "B=x=y z",
      "-w",
      "/tmp",
      pod,
      "--",
      "sh",
      "-c",
      'echo "$A,$B,$PWD"',
    ]);
    expect(there.stdout.toString()).toBe("of-the-pod,x=y z,/tmp\n");
  });

  it("has a real terminal with -it: size, echo, Ctrl-C and the exit code", async () => {
    const { child, ended } = perigee.startOnTerminal(["exec", "-it", pod, "--", "sh"]);
    let seen = "";
    child.stdout?.on("data", (data: Buffer) => {
      seen += data;
    });
    child.stdin?.write("tty && echo is-$((40 + 2))\n");
    await expect.poll(() => seen, { timeout: 60_000 }).toContain("is-42");
    child.stdin?.write("echo goes-$((3 + 4)); sleep 600; echo broken-$((1 + 1))\n");
    await expect.poll(() => seen, { timeout: 60_000 }).toContain("goes-7");
    child.stdin?.write("\x03");
    child.stdin?.write("echo after-$((2 + 3)); exit 9\n");
    await expect.poll(() => seen, { timeout: 60_000 }).toContain("after-5");
    expect((await ended).code).toBe(9);
    expect(seen).not.toContain("broken-2");
  });

  it("ends at its limit, and says why nothing runs", async () => {
    const limited = await perigee.run(["exec", "--limit", "1s", pod, "--", "sleep", "600"]);
    expect([limited.code, limited.stderr]).toEqual([124, expect.stringContaining("TIME_LIMIT")]);
    const missing = await perigee.run(["exec", pod, "--", "/no/such/program"]);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("CANNOT_START")]);
    const nobodys = await perigee.run(["exec", named("none"), "--", "true"]);
    expect([nobodys.code, nobodys.stderr]).toEqual([4, expect.stringContaining("POD_NOT_FOUND")]);
  });

  it("takes no lock, and nobody enters another's pod", async () => {
    const stranger = await other();
    const answer = await stranger.request("POST", `/pods/${pod}/exec`, {
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect([answer.status, answer.json.error]).toEqual([404, "POD_NOT_FOUND"]);
  });

  it("is noted, without what it was", async () => {
    const listed = await perigee.run(["sessions", "--json"]);
    const { data } = JSON.parse(listed.stdout.toString());
    expect(data.length).toBeGreaterThan(5);
    expect(data[0]).toMatchObject({ kind: "exec", pod, runner: null });
    expect(listed.stdout.toString()).not.toMatch(/sha256sum|printf|x=y z/);
    const theirs = await (await other()).get("/sessions");
    expect(theirs.json.data).toEqual([]);
  });
});
