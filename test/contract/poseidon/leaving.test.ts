import { once } from "node:events";
import { beforeAll, expect, test } from "vitest";
import { environment, GONE, me, runner } from "./support/session.ts";

let id: number;
beforeAll(async () => {
  id = await environment({ prewarmingPoolSize: 3 });
}, 300_000);

/** An execution whose program has begun. */
async function begun(path: string, command: string, rest: object = {}) {
  const execution = me.connect(
    await me.execute(path, { command: `${command.replace("BEGIN", "echo begun")}`, ...rest }),
  );
  await execution.until((one) => one.text("stdout").includes("begun"));
  return execution;
}

const isGone = (path: string) =>
  expect
    .poll(async () => (await me.get(`${path}/files?recursive=false`)).status, { timeout: 60_000 })
    .toBe(410);

test("a client that leaves ends its program with SIGQUIT, and the runner stays", async () => {
  const path = await runner(id);
  const leaves = [
    async ({ socket }: Awaited<ReturnType<typeof begun>>) => socket.close(),
    async ({ socket }: Awaited<ReturnType<typeof begun>>) => socket.terminate(),
    async ({ socket, closed }: Awaited<ReturnType<typeof begun>>) => {
      socket.send("x".repeat(1024 * 1024 + 1));
      expect((await closed).code).toBe(1009);
    },
  ];
  for (const [n, leave] of leaves.entries()) {
    const command = `trap "echo quit > left${n}; exit" QUIT; BEGIN; while :; do sleep 0.1; done`;
    const execution = await begun(path, command);
    await leave(execution);
    if (execution.socket.readyState !== execution.socket.CLOSED) await once(execution.socket, "close");
    await expect
      .poll(async () => (await me.get(`${path}/files/raw?path=left${n}`)).text, { timeout: 60_000 })
      .toBe("quit\n");
  }
  expect((await me.run(path, "true")).end).toEqual({ type: "exit", data: 0 });
});

test("a program that does not hear SIGQUIT goes with its runner: when its client leaves, and at its limit", async () => {
  const deaf = 'trap "" QUIT; BEGIN; while :; do sleep 1; done';
  const [left, late] = [await runner(id), await runner(id)];
  const beside = await begun(left, "BEGIN; sleep 600");
  const execution = await begun(left, deaf);
  execution.socket.terminate();
  const limited = await begun(late, deaf, { timeLimit: 2 });
  expect(await limited.closed).toEqual({ code: 1000, reason: "" });
  expect(limited.end).toEqual({ type: "timeout" });
  await isGone(left);
  expect(await beside.closed).toEqual({ code: 1000, reason: "" });
  expect(beside.end).toEqual({ type: "error", data: "Error executing the request" });
  await isGone(late);
  expect((await me.get(`${late}/files`)).json).toEqual(GONE);
});

test("statistics count what was handed out until it is gone", async () => {
  const fresh = await environment();
  const used = async () =>
    (await me.get("/statistics/execution-environments")).json[String(fresh)].usedRunners;
  expect(await used()).toBe(0);
  const path = await runner(fresh);
  expect(await used()).toBe(1);
  await me.delete(path);
  expect(await used()).toBe(0);
});
