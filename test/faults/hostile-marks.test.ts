import net, { type AddressInfo } from "node:net";
import { ulid } from "ulid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { instanceOf } from "#agent/instance.ts";
import { Journal } from "#agent/journal/journal.ts";
import { openStateDatabase } from "#agent/journal/state-database.ts";
import { type Deployment, deploy, docker } from "./support/deployment.ts";

const unique = `h${process.pid}x${Date.now().toString(36)}`;

/** Each makes many containers, on a machine that may have much else to do. */
const SLOW_MS = 600_000;

let deployment: Deployment;
const containers: string[] = [];
const images: string[] = [];
let reached = 0;
const listener = net.createServer((socket) => {
  reached += 1;
  socket.destroy();
});

beforeAll(async () => {
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  deployment = await deploy(1);
});
afterAll(async () => {
  for (const id of containers) {
    await docker
      .getContainer(id)
      .remove({ force: true, v: true })
      .catch(() => {});
  }
  for (const name of images)
    await docker
      .getImage(name)
      .remove({ force: true })
      .catch(() => {});
  await deployment?.close();
  await new Promise((resolve) => listener.close(resolve));
});

/** What a label may say is a run. */
function runs(): string[] {
  const { port } = listener.address() as AddressInfo;
  const id = ulid();
  return [
    "x/../y",
    "..",
    ".",
    "/",
    "x/../..",
    `x/../../127.0.0.1:${port}/z`,
    `x/../../../127.0.0.1:${port}/z`,
    `@127.0.0.1:${port}/`,
    `//127.0.0.1:${port}/`,
    `http://127.0.0.1:${port}/`,
    "x?force=1&link=1",
    "x#y",
    "%2e%2e%2fy",
    "x\r\nHost: y",
    "x\ny",
    "x y",
    "x\u00a0y",
    "\u0000",
    "",
    `${unique}-victim`,
    id.toLowerCase(),
    id,
    `${id}/../${id}`,
    "x".repeat(5_000),
    "__proto__",
  ];
}

test(
  "marks that users can make remove nothing, reach nobody and do not end the agent",
  async () => {
    const { agent, agentData, client, user } = deployment.lanes[0]!;
    await agent.stop();
    const database = openStateDatabase(agentData);
    const instance = instanceOf(new Journal(database).id);
    database.close();

    // containers as they would come of images with such labels, running and not
    const victim = await docker.createContainer({
      name: `perigee-${unique}-victim`,
      Image: "busybox:latest",
      Cmd: ["sleep", "1000"],
    });
    containers.push(victim.id);
    const others = runs().map((run) => ({
      "perigee.instance": instance,
      "perigee.user": user,
      "perigee.pod": "../x",
      "perigee.run": run,
      "perigee.session": "x",
      "perigee.image": instance,
      "perigee.image.user": "../../x",
      name: `perigee-${ulid().toLowerCase()}`,
    }));
    for (const [i, Labels] of others.entries()) {
      const made = await docker.createContainer({
        // names that begin as ours do, and names of nobody
        ...(i % 2 === 0 && { name: `perigee-${unique}-${i}` }),
        Image: "busybox:latest",
        Cmd: i % 3 === 0 ? ["true"] : ["sleep", "1000"],
        Labels,
      });
      containers.push(made.id);
      if (i % 6 < 2) await made.start();
    }
    // networks and images with the same marks
    const networks: string[] = [];
    for (const [i, Labels] of others.slice(0, 3).entries()) {
      const made = await docker.createNetwork({ Name: `perigee-net-${unique}-${i}`, Internal: true, Labels });
      networks.push(made.id);
    }

    try {
      for (let life = 0; life < 3; life++) {
        await agent.start();
        // events of such containers, too
        await docker.getContainer(containers.at(-1)!).restart({ t: 0 });
        // what a user does goes on, and the comparison of the agent with the engine has happened by its end
        const pod_name = `life${life}`;
        const fields = {
          image: "busybox",
          node: "MPU",
          max_duration: 1,
          pod_name,
          command: "echo done > /data/done",
        };
        expect((await client.form("/em/pod/run", fields)).status).toBe(200);
        const status = async () => (await client.get("/em/pod/status", { pod_name })).text;
        while (!(await status()).includes('"terminated"'));
        const done = await client.get("/em/files/downlink", { filepath: "done", pod_name });
        expect(done.text).toBe("done\n");
        if (life === 1) await agent.kill();
        else expect(await agent.stop()).toMatchObject({ code: 0 });
      }
      const left = (await docker.listContainers({ all: true })).map(({ Id }) => Id);
      expect(containers.filter((id) => !left.includes(id))).toEqual([]);
      const kept = (await docker.listNetworks()).map(({ Id }) => Id);
      expect(networks.filter((id) => !kept.includes(id))).toEqual([]);
      expect(reached).toBe(0);
    } finally {
      for (const id of networks) await docker.getNetwork(id).remove();
    }
    await agent.start();
  },
  SLOW_MS,
);

test(
  "an image with a label of the agent's is not run, however it came to be public",
  async () => {
    const { client } = deployment.lanes[0]!;
    const made = await docker.createContainer({ Image: "busybox:latest", Cmd: ["true"] });
    containers.push(made.id);
    for (const label of [
      "perigee.instance",
      "perigee.run",
      "perigee.pod",
      "perigee.session",
      "perigee.anything",
    ]) {
      const repo = `${unique}-${label.replace(".", "-")}`;
      await docker.getContainer(made.id).commit({ repo, tag: "v1", changes: `LABEL ${label}=x` });
      images.push(`${repo}:v1`);
      // as old data may have it: recorded as the user's, without any check
      const { agent, agentData, user } = deployment.lanes[0]!;
      await agent.stop();
      const database = openStateDatabase(agentData);
      const { Id } = await docker.getImage(`${repo}:v1`).inspect();
      database
        .prepare("INSERT INTO images (space, user, name, tag, id, created) VALUES ('', ?, ?, ?, ?, ?)")
        .run(user, repo, "v1", Id, Date.now());
      database.close();
      await agent.start();
      const fields = {
        image: `${repo}:v1`,
        node: "MPU",
        max_duration: 1,
        pod_name: "refused",
        command: "true",
      };
      expect((await client.form("/em/pod/run", fields)).status).toBe(200);
      const status = async () =>
        (await client.get("/em/pod/status", { pod_name: "refused" })).json.data.state;
      let state = await status();
      while (!state.terminated) state = await status();
      expect(state.terminated).toMatchObject({
        reason: "StartError",
        message: `the image has the label ${label}, which is reserved`,
      });
    }
  },
  SLOW_MS,
);
