import { randomBytes } from "node:crypto";
import type { TestProject } from "vitest/node";
import type { Client } from "./client.ts";
import { logIn } from "./log-in.ts";
import { acquire, release } from "./started.ts";
import { LONG_RUNS, type Target } from "./target.ts";

/** Gives the EM's contract suite something to speak to (see {@link acquire}), with the runs that take a minute begun. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = await acquire();
  try {
    const target: Target = {
      url: started.url,
      user: started.user,
      other: started.other,
      image: process.env.PERIGEE_TEST_IMAGE || "busybox:latest",
      run: `c${randomBytes(3).toString("hex")}`,
    };
    const clients = await Promise.all([target.user, target.other].map((who) => logIn(target.url, who)));
    await startLongRuns(clients[0]!, target);
    project.provide("contract", target);
    return async () => {
      try {
        if (!started.own) for (const client of clients) await tidy(client, target.run);
      } finally {
        await release();
      }
    };
  } catch (error) {
    await release();
    throw error;
  }
}

async function startLongRuns(client: Client, { run, image }: Target): Promise<void> {
  const note = "trap 'echo asked > /data/asked; exit 7' TERM; echo up; while :; do sleep 1; done";
  const runs: Record<string, string>[] = [
    { pod_name: LONG_RUNS.graceful, image, command: note },
    { pod_name: LONG_RUNS.deaf, image, command: "trap '' TERM; echo up; while :; do sleep 1; done" },
    { pod_name: LONG_RUNS.missing, image: `${run}-${LONG_RUNS.missing}` },
  ];
  for (const fields of runs) {
    const pod_name = `${run}-${fields.pod_name}`;
    const answer = await client.form("/em/pod/run", { node: "MPU", max_duration: 1, ...fields, pod_name });
    if (answer.status !== 200) throw new Error(`pod/run: ${answer.status} ${answer.text}`);
  }
}

/** Removes from a deployment that lives on what this run made there. */
async function tidy(client: Client, run: string): Promise<void> {
  const mine = (name: string) => name.startsWith(`${run}-`);
  for (const { pod_name } of (await client.get("/edge")).json.data.pods) {
    if (mine(pod_name)) await client.form("/em/pod/stop", { pod_name });
  }
  for (const { name } of (await client.get("/em/pvc/list")).json.data) {
    if (mine(name)) await client.form("/em/pvc/delete", { pvc_name: name });
  }
  for (const { name, tag } of (await client.get("/em/pod/image/list")).json.data) {
    if (mine(name)) await client.form("/em/pod/image/delete", { image: `${name}:${tag}` });
  }
}
