import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { readHoldings } from "#lambdas/dialects/unik/holdings.ts";
import { formOf } from "./support/form-of.ts";
import { PlayedEdge } from "./support/played-edge.ts";
import { PASSWORD, startUnikGround } from "./support/unik-ground.ts";

it("what a removed user had goes, and is not that of who gets the name", async () => {
  const ground = await startUnikGround();
  const edge = new PlayedEdge(await ground.startAgent()).start();
  try {
    const form = formOf([["tarfile", "x", "t"]]);
    await ground.ada("POST", "/unik/images/app/create?provider=docker&base=docker&lang=native", form);
    await ground.ada("POST", "/unik/instances/run", { body: JSON.stringify({ ImageName: "app" }) });
    await ground.ada("POST", "/unik/volumes/data?provider=docker&size=1");
    const { accounts, janitor } = ground.ground;
    const { uid } = (await accounts.getUser("ada"))!;
    await accounts.removeUser("ada");
    await accounts.addUser("ada", PASSWORD);
    await janitor.round();
    while (edge.inputs("image.delete").length === 0) await sleep(20);
    expect(edge.inputs("pod.remove")).toHaveLength(1);
    const { images, instances, left, volumes } = await readHoldings(ground.core.records, {
      user: "ada",
      uid,
      edge: "em1",
    });
    expect([images, instances, left, volumes]).toEqual([[], [], [], []]);
    for (const what of ["images", "instances"])
      expect((await ground.ada("GET", `/unik/${what}`)).text).toBe("[]");
  } finally {
    await edge.stop();
    await ground.stop();
  }
});
