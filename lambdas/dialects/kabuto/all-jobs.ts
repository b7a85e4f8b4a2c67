import { json } from "../../http/json-answer.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { jobsView } from "./job-view.ts";
import { knownJobs } from "./known-jobs.ts";
import { listObjects, PAGE } from "./objects.ts";
import { type Owner, ownerOf } from "./owner.ts";
import type { JobRecord } from "./records.ts";
import { streamed } from "./streamed.ts";

/** GET /jobs: all of a user's, ascending by id. Of many, a page at a time is in memory. */
export async function getAllJobs(c: DialectContext, core: DialectCore): Promise<Response> {
  const views = viewsOf(core, ownerOf(c));
  // what is wrong is told while a status can be
  const first = await views.next();
  const second = await views.next();
  if (second.done) return json(first.value ?? {});
  const text = jsonOf([first.value as object, second.value], views);
  return streamed(c, core, text, { "content-type": "application/json" });
}

/** Maps of jobs by their ids, each of a page. */
async function* viewsOf(core: DialectCore, owner: Owner): AsyncGenerator<object> {
  const pipelines = await listObjects(core.records, owner.uid, "pipeline");
  const all = new Map(pipelines.map((pipeline) => [pipeline.id, pipeline]));
  for await (const page of pagesOf<JobRecord>(core.records, { pk: owner.uid, prefix: "job#", limit: PAGE })) {
    const jobs = page.map(({ data }) => data);
    if (jobs.length > 0) yield await jobsView(core, await knownJobs(core, owner, jobs, all), all);
  }
}

/** One JSON object of maps that are not empty. */
async function* jsonOf(begun: readonly object[], rest: AsyncIterable<object>): AsyncGenerator<Buffer> {
  let before = "{";
  const part = (view: object) => {
    const text = `${before}${JSON.stringify(view).slice(1, -1)}`;
    before = ",";
    return Buffer.from(text);
  };
  for (const view of begun) yield part(view);
  for await (const view of rest) yield part(view);
  yield Buffer.from("}");
}
