import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, test } from "vitest";
import type { Client } from "#test/contract/support/client.ts";
import { logIn } from "#test/contract/support/log-in.ts";
import { program } from "#test/support/programs.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { clientFor } from "../../scripts/docker-engine.ts";
import { type Stack, startStack } from "../../scripts/stack.ts";
import { type EarlierData, earlierData, type ListedCommand } from "./support/earlier-data.ts";

const docker = clientFor(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");
const END_MS = 60_000;

/** Ground and agent of this version, on data that version 0.1.0 left in the middle of work. */
describe.each(["uplink-committed", "outcome-unreported"])("data of 0.1.0, %s", (name) => {
  let stack: Stack | undefined;
  let earlier: EarlierData | undefined;
  afterEach(async () => {
    await stack?.stop();
    if (earlier) await cleanEngine(docker, join(earlier.data, "agent"));
    earlier?.remove();
    stack = undefined;
    earlier = undefined;
  });

  test("is taken over: nothing is lost, and what was under way ends", async () => {
    earlier = earlierData("0.1.0", name);
    const { data, commands } = earlier;
    stack = await startStack({
      data,
      host: "127.0.0.1",
      port: 0,
      dockerHost: process.env.DOCKER_HOST,
      programs: { ground: program("server"), agent: program("agent") },
      onLine: () => {},
    });
    const password = "fixture-password-1";
    const perigee = await logIn(stack.url, { name: "perigee", password });
    const ada = await logIn(stack.url, { name: "ada", password });

    // every command, in the same order; what had ended stands as it was, the rest ends well
    for (const [user, client] of [["perigee", perigee] as const, ["ada", ada] as const]) {
      const before = commands[user]!;
      const after = await ended(client, before);
      expect(after.map(({ command_id }) => command_id)).toEqual(before.map(({ command_id }) => command_id));
      expect(after.map(({ state }) => state)).toEqual(
        before.map(({ state }) => (state === "queued" || state === "running" ? "succeeded" : state)),
      );
    }

    const volume = (user: string, path: string) => join(data, "agent/volumes", user, path);
    const read = (user: string, path: string) => readFileSync(volume(user, path), "utf8");
    expect(read("ada", "default/b.txt")).toBe("beta");
    expect(read("ada", "queued/q.txt")).toBe("queued");
    expect(existsSync(volume("perigee", "tool/ctx"))).toBe(false);
    if (name === "uplink-committed") {
      expect(read("perigee", "tool/keep/a.txt")).toBe("omega");
      expect(read("perigee", "tool/keep/new.txt")).toBe("new");
    } else {
      expect(read("perigee", "tool/keep/a.txt")).toBe("alpha");
      expect(existsSync(volume("perigee", "tool/gone.txt"))).toBe(false);
    }

    const log = await perigee.get("/em/pod/logs", { pod_name: "tool" });
    expect(log.text).toBe("ran\nbuilt\n");
    const status = await ada.get("/em/pod/status", { pod_name: "later" });
    expect(status.json.data.state.waiting).toMatchObject({ reason: "Scheduled" });
    const read1 = commands.perigee!.find(({ operation }) => operation === "volume.read")!;
    expect((await perigee.get(`/commands/${read1.command_id}/content`)).text).toBe("alpha");

    await stack.stop();
    stack = undefined;
    const state = new DatabaseSync(join(data, "agent/agent.sqlite"), { readOnly: true });
    const kept = (sql: string) =>
      state
        .prepare(sql)
        .all()
        .map((row) => Object.values(row).join(" "));
    expect(kept("SELECT user, name, tag FROM images")).toEqual(["perigee tool latest"]);
    expect(kept("SELECT user, pod FROM pod_runs ORDER BY n")).toEqual(["perigee tool", "ada later"]);
    expect(kept("SELECT command FROM journal")).toEqual([]);
    expect(kept("SELECT reference FROM public_images")).toEqual(["alpine:latest"]);
    state.close();
  });
});

/** The user's commands once all of `before` have ended, without those that this test made. */
async function ended(client: Client, before: readonly ListedCommand[]): Promise<ListedCommand[]> {
  const known = new Set(before.map(({ command_id }) => command_id));
  const until = performance.now() + END_MS;
  for (;;) {
    const list = (await client.get("/commands", { limit: 100 })).json.data as ListedCommand[];
    const same = list.filter(({ command_id }) => known.has(command_id));
    const open = same.filter(({ state }) => state === "queued" || state === "running");
    if (open.length === 0 || performance.now() > until) return same;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
