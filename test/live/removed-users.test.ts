import { expect, onTestFinished, test } from "vitest";
import { connectExec } from "./support/exec-client.ts";
import { makeLiveWorld } from "./support/live-world.ts";

test("what a user has open in a pod ends with the user, and with the edge's grant; another's goes on", async () => {
  const world = await makeLiveWorld({ live: { tuning: { relay: { tickMs: 50, usersMs: 0 } } } });
  onTestFinished(() => world.close());
  await world.startAgent();
  const opened = await Promise.all(
    ["alice", "bob", "carol"].map(async (name) => {
      await world.pod(name, "p");
      const user = await world.user(name);
      const body = JSON.stringify({ command: ["cat"] });
      const answer = await user.fetch("/pods/p/exec", { method: "POST", body });
      const { url } = (await answer.json()) as { url: string };
      const client = await connectExec(url);
      client.stdin("hello");
      await expect.poll(() => client.stdout().toString()).toBe("hello");
      return client;
    }),
  );
  const [alice, bob, carol] = opened as [(typeof opened)[0], (typeof opened)[0], (typeof opened)[0]];
  const { accounts } = world.ground;
  await accounts.removeUser("alice");
  await accounts.revoke("em1", "bob");
  for (const { closed, control } of [alice, bob]) {
    expect(await closed).toBe(1000);
    expect(control.at(-1)).toMatchObject({ type: "error", code: "STOPPED" });
  }
  // the edge ends what ran
  await expect.poll(() => world.sessions.running).toBe(1);
  carol.stdin(" again");
  await expect.poll(() => carol.stdout().toString()).toBe("hello again");
  expect(carol.control).toEqual([{ type: "started" }]);
  // the notes go with their user, and nobody of the name sees them
  await expect.poll(async () => (await world.ground.live.notes.list("alice", Date.now())).length).toBe(1);
  await world.ground.janitor.round();
  expect(await world.ground.live.notes.list("alice", Date.now())).toEqual([]);
  carol.ws.terminate();
});
