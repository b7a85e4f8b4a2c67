import { expect, it } from "vitest";
import { formOf } from "./support/form-of.ts";
import { PlayedEdge } from "./support/played-edge.ts";
import { startUnikGround } from "./support/unik-ground.ts";

it("what does not start within half a minute is answered as pending, and starts when it can", async () => {
  const ground = await startUnikGround();
  const edge = new PlayedEdge(await ground.startAgent()).start();
  const run = (name: string) =>
    ground.ada("POST", "/unik/instances/run", {
      body: JSON.stringify({ ImageName: "app", InstanceName: name }),
    });
  try {
    const form = formOf([["tarfile", "x", "t"]]);
    await ground.ada("POST", "/unik/images/app/create?provider=docker&base=docker&lang=native", form);
    await run("old");
    await ground.ada("POST", "/unik/instances/old/stop");
    edge.starts = { waiting: { reason: "Unschedulable" } };
    const [made, started] = await Promise.all([run("new"), ground.ada("POST", "/unik/instances/old/start")]);
    const pending = { State: "pending", Reason: "Unschedulable", IpAddress: "" };
    expect([made.status, JSON.parse(made.text)]).toEqual([201, expect.objectContaining(pending)]);
    expect([started.status, started.text]).toEqual([200, ""]);
    const listed = JSON.parse((await ground.ada("GET", "/unik/instances")).text);
    expect(listed).toMatchObject([
      { Name: "old", ...pending },
      { Name: "new", ...pending },
    ]);
    // one that waits is powered off, and deleted, like one that runs
    expect((await ground.ada("DELETE", "/unik/instances/new")).status).toBe(409);
    expect((await ground.ada("DELETE", "/unik/instances/new?force=true")).status).toBe(204);
  } finally {
    await edge.stop();
    await ground.stop();
  }
});
