import { randomBytes } from "node:crypto";
import type { TestProject } from "vitest/node";
import { acquire, release } from "../../support/started.ts";
import type { Credentials } from "../../support/target.ts";
import { KabutoClient } from "./client.ts";
import type { KabutoTarget, Member } from "./target.ts";
import { built } from "./work.ts";

/** Gives Kabuto's contract suite two users of the deployment that the EM's suite asks too, each with one image. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = await acquire();
  try {
    const base = process.env.PERIGEE_TEST_IMAGE || "busybox:latest";
    const [user, other] = await Promise.all([
      memberOf(started.url, started.user, base),
      memberOf(started.url, started.other, base),
    ]);
    const run = `k${randomBytes(3).toString("hex")}`;
    const target: KabutoTarget = { url: started.url, user, other, base, run };
    project.provide("kabuto", target);
    return async () => {
      try {
        if (!started.own) for (const member of [user, other]) await tidy(started.url, member);
      } finally {
        await release();
      }
    };
  } catch (error) {
    await release();
    throw error;
  }
}

async function memberOf(url: string, { name, password }: Credentials, base: string): Promise<Member> {
  const client = new KabutoClient(url);
  const { status, text } = await client.send("POST", "/login", {
    body: new URLSearchParams({ login: name, password }),
  });
  if (status !== 200) throw new Error(`log-in of ${name}: ${status} ${text}`);
  const build = await built(client, { dockerfile: `FROM ${base}\nCMD ["echo", "hello world"]\n` });
  if (build.state !== "SUCCESS") throw new Error(`the image: ${JSON.stringify(build)}`);
  return { login: name, password, cookie: client.jar.header("/")!, image: build.id };
}

/** Removes from a deployment that lives on what its users made there. */
async function tidy(url: string, member: Member): Promise<void> {
  const client = new KabutoClient(url, member.cookie);
  for (const id of Object.keys(await client.get("/pipeline"))) {
    await client.post(`/pipeline/${id}/cancel`);
    for (const job of Object.keys(await client.get(`/pipeline/${id}/job`))) {
      await client.until(`/pipeline/${id}/job/${job}`, (all) => !/in_queue|running/.test(all[job].state));
    }
    await client.delete(`/pipeline/${id}`);
  }
  for (const id of Object.keys(await client.get("/image"))) await client.delete(`/image/${id}`);
}
