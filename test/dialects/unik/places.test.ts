import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { formOf } from "./support/form-of.ts";
import { RUNNING } from "./support/played-edge.ts";
import { type PlayedAgent, startUnikGround, type UnikGround } from "./support/unik-ground.ts";

let ground: UnikGround;
let agent: PlayedAgent;
beforeAll(async () => {
  ground = await startUnikGround();
  agent = await ground.startAgent();
});
afterAll(() => ground.stop());

const create = (user: "ada" | "bob", name: string, headers = {}) => {
  const { headers: type, body } = formOf([["tarfile", "x", "t"]]);
  const query = "provider=docker&base=docker&lang=native";
  return ground[user]("POST", `/unik/images/${name}/create?${query}`, {
    headers: { ...type, ...headers },
    body,
  });
};
const made = (command: ClaimedCommand) =>
  agent.report(command, { state: "succeeded", result: { bytes: 1, ports: [] } });

/** What the edge is handed next. */
async function claimed(): Promise<ClaimedCommand[]> {
  for (;;) {
    const commands = await agent.claim();
    if (commands.length > 0) return commands;
    await sleep(20);
  }
}

it("twenty of a user's calls wait on an edge, and the next is refused", async () => {
  const other = await startUnikGround();
  try {
    await other.startAgent();
    const { headers: type, body } = formOf([["tarfile", "x", "t"]]);
    const sent = { headers: { ...type, prefer: "respond-async" }, body };
    const create = (user: "ada" | "bob", n: number) =>
      other[user]("POST", `/unik/images/n${n}/create?provider=docker&base=docker&lang=native`, sent);
    for (let n = 0; n < 20; n++) expect((await create("ada", n)).status).toBe(202);
    const over = await create("ada", 20);
    expect([over.status, over.headers["perigee-error"]]).toEqual([429, "QUEUE_FULL"]);
    expect(Number(over.headers["retry-after"])).toBeGreaterThan(0);
    expect((await create("bob", 0)).status).toBe(202);
  } finally {
    await other.stop();
  }
});

it("one user's long builds leave places to others, whose calls are answered meanwhile", async () => {
  const asked = await Promise.all(
    Array.from({ length: 8 }, (_, n) => create("ada", `long${n}`, { prefer: "respond-async" })),
  );
  expect(asked.map(({ status }) => status)).toEqual(Array(8).fill(202));
  const builds = await claimed();
  expect(builds.map(({ operation }) => operation)).toEqual(Array(4).fill("image.compile"));

  const image = create("bob", "app");
  const [built] = await claimed();
  expect(built).toMatchObject({ user: "bob", operation: "image.compile" });
  await made(built!);
  expect((await image).status).toBe(201);
  const run = ground.bob("POST", "/unik/instances/run", { body: JSON.stringify({ ImageName: "app" }) });
  const [started] = await claimed();
  expect(started).toMatchObject({ user: "bob", operation: "pod.run" });
  const { id, user, input } = started!;
  const { pod, image: of } = input as { pod: string; image: string };
  await agent.report(started!, { state: "succeeded", result: {} });
  await agent.pods([{ user, pod, run: id, image: of, node: "", state: RUNNING }]);
  expect((await run).status).toBe(201);

  const authorization = `Bearer ${await ground.token("ada")}`;
  const positions = await Promise.all(
    asked.map(async ({ headers }) => {
      const { text } = await ground.send("GET", headers.location!, { headers: { authorization } });
      return JSON.parse(text).data.position as number | undefined;
    }),
  );
  // none is next while hers are being built: their calls wait on
  expect(positions.filter((one) => one !== undefined).sort()).toEqual([2, 3, 4, 5]);
  await made(builds[0]!);
  expect(await claimed()).toMatchObject([{ user: "ada", operation: "image.compile" }]);
});
