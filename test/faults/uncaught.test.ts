import { afterAll, beforeAll, expect, test } from "vitest";
import { type Deployment, deploy, docker } from "./support/deployment.ts";

/** Loaded before the programs: what nobody catches, thrown when the test says. */
const FAULTS = `
process.on("SIGUSR2", () => { throw new Error("thrown in a listener"); });
process.on("SIGHUP", () => { Promise.reject(new Error("nobody waits for it")); });
process.on("SIGWINCH", () => {
  setTimeout(() => { throw Object.assign(new Error("disk I/O error"), { code: "ERR_SQLITE_ERROR", errcode: 10 }); });
});
`;

let deployment: Deployment;
const before = process.env.NODE_OPTIONS;
beforeAll(async () => {
  process.env.NODE_OPTIONS = `${before ?? ""} --import=data:text/javascript,${encodeURIComponent(FAULTS)}`;
  deployment = await deploy(1);
});
afterAll(async () => {
  if (before === undefined) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = before;
  await deployment?.close();
});

test("the ground goes on over what no request caught", async () => {
  const { ground, lanes } = deployment;
  const { client } = lanes[0]!;
  for (const [signal, told] of [
    ["SIGUSR2", /thrown in a listener/],
    ["SIGHUP", /nobody waits for it/],
  ] as const) {
    process.kill(ground.pid, signal);
    await ground.said(told);
    expect((await client.get("/em/pvc/list")).status).toBe(200);
  }
});

test("the agent starts anew in its process, pods run on, and commands are done once", async () => {
  const { agent, client, user, volume } = deployment.lanes[0]!;
  const script = "echo start >> /data/starts; while :; do sleep 1; done";
  const run = await client.form("/em/pod/run", {
    image: "busybox",
    node: "MPU",
    max_duration: 10,
    pod_name: "lives",
    command: script,
  });
  expect(run.status).toBe(200);
  const status = async () => (await client.get("/em/pod/status", { pod_name: "lives" })).text;
  while (!(await status()).includes('"running"'));
  const containers = async () =>
    (await docker.listContainers({ filters: { label: [`perigee.user=${user}`] } }))
      .filter(({ Mounts }) => Mounts.some(({ Source }) => Source === volume("lives")))
      .map(({ Id }) => Id);
  const running = await containers();
  expect(running).toHaveLength(1);

  process.kill(agent.pid, "SIGHUP");
  await agent.said(/nobody waits for it/);
  for (const starts of [2, 3]) {
    process.kill(agent.pid, "SIGUSR2");
    await agent.said(/thrown in a listener/, starts - 1);
    await agent.said(/"ready"/, starts);
    // a call may come while it starts: it is told to come again, or done
    let answer = await client.get("/em/pvc/list");
    while (answer.status === 503 || answer.status === 423) answer = await client.get("/em/pvc/list");
    expect(answer.status).toBe(200);
  }
  expect(await status()).toContain('"running"');
  expect(await containers()).toEqual(running);
  const starts = await client.get("/em/files/downlink", { filepath: "starts", pod_name: "lives" });
  expect(starts.text).toBe("start\n");
});

test("an error of the state's database ends the agent's process", async () => {
  const { agent, client } = deployment.lanes[0]!;
  process.kill(agent.pid, "SIGWINCH");
  await expect(agent.said(/never said/)).rejects.toThrow("it has ended");
  await agent.start();
  expect((await client.get("/em/pvc/list")).status).toBe(200);
});
