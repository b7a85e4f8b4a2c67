import type { Job, KabutoClient } from "./client.ts";

/** Runs short jobs in so many pipelines of so many, to their ends. @returns jobs a second */
export async function submitMany(
  client: KabutoClient,
  of: { pipelines: number; jobs: number },
): Promise<number> {
  const jobs: Job[] = [];
  const last: Job[] = [];
  for (let n = 0; n < of.pipelines; n++) {
    const pipeline = await client.pipeline();
    for (let i = 0; i < of.jobs; i++) jobs.push(await client.job(pipeline, "true"));
    last.push(jobs.at(-1)!);
  }
  const begin = performance.now();
  await Promise.all(last.map(({ pipeline }) => client.submit(pipeline)));
  await Promise.all(last.map((job) => client.done(job)));
  const rate = (jobs.length / (performance.now() - begin)) * 1000;
  for (const job of jobs) await client.done(job);
  return rate;
}
