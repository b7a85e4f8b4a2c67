import type { Fields, Files, KabutoClient } from "./client.ts";

/** Builds an image to its end. @returns the answer of the ended build */
export async function built(client: KabutoClient, fields: Fields, files: Files = {}) {
  const { build_id } = await client.upload("/image", { name: "test", ...fields }, files);
  const answer = await client.until(`/image/build/${build_id}`, ({ state }) => state !== "PENDING");
  return { build_id, ...answer };
}

/** A pipeline of its own. @returns its path */
export async function pipeline(client: KabutoClient, fields: Fields = {}): Promise<string> {
  const { id } = await client.post("/pipeline", { name: "test", ...fields });
  return `/pipeline/${id}`;
}

/** A job in it. @returns its id */
export async function job(
  client: KabutoClient,
  of: string,
  fields: Fields | (Fields & { image_id: string }),
  files: Files = {},
): Promise<number> {
  const { id, ...rest } = await client.upload(`${of}/job`, fields, files);
  if (id === undefined) throw new Error(`no job: ${JSON.stringify(rest)}`);
  return id;
}

/** Waits until the job has ended. @returns it */
export async function ended(client: KabutoClient, of: string, id: number) {
  const jobs = await client.until(`${of}/job/${id}`, (all) => ["done", "failed"].includes(all[id].state));
  return jobs[id];
}

/** Waits until the job runs, or has ended. @returns it */
export async function begun(client: KabutoClient, of: string, id: number) {
  const jobs = await client.until(`${of}/job/${id}`, (all) => all[id].state !== "in_queue");
  return jobs[id];
}

/** Makes a job in a pipeline of its own, submits it and waits for its end. */
export async function ran(client: KabutoClient, image: number, command: string, files: Files = {}) {
  const of = await pipeline(client);
  const id = await job(client, of, { image_id: String(image), command }, files);
  await client.post(`${of}/submit`);
  return { of, id, job: await ended(client, of, id) };
}
