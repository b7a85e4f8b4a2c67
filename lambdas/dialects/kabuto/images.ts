import { json } from "../../http/json-answer.ts";
import { optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { dateOf } from "./dates.ts";
import { goneWrite, removeGone } from "./gone-images.ts";
import { isLive } from "./job-state.ts";
import { counterWrite, findObject, idOf, listObjects, readCounter } from "./objects.ts";
import { type Owner, ownerOf } from "./owner.ts";
import { type ImageRecord, keys, type RunRecord } from "./records.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { textOf } from "./stored-text.ts";

/** GET /image, /image/<id> */
export async function getImages(c: DialectContext, core: DialectCore): Promise<Response> {
  const { uid } = ownerOf(c);
  const named = c.req.param("image");
  if (named === undefined) return json(mapOf(await listObjects(core.records, uid, "image")));
  const item = await findObject(core.records, uid, "image", idOf(named));
  return json(mapOf(item ? [item.data] : []));
}

/** DELETE /image/<id>: jobs that ran it show none; the edge removes its content. */
export async function deleteImage(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const { records } = core;
  const id = idOf(c.req.param("image"));
  const { data: image } = await optimistically(async () => {
    const [item, counter, submitted] = await Promise.all([
      findObject(records, owner.uid, "image", id),
      readCounter(records, owner.uid, "image"),
      records.get(keys.submitted(owner.uid)),
    ]);
    if (!item) throw refusal(TEXTS.imageToUpdate);
    if (await isUsed(core, owner, item.data)) throw refusal(TEXTS.imageInUse);
    await records.transact([
      // no submission was decided since: the next one finds the image gone
      { check: keys.submitted(owner.uid), if: submitted?.rev ?? 0 },
      { delete: keys.object(owner.uid, "image", item.data.id), if: item.rev },
      counterWrite(owner.uid, "image", counter, { used: counter.used - 1 }),
      goneWrite(owner, item.data),
    ]);
    return item;
  });
  await removeGone(core, owner.uid, image.ref);
  return json({ status: "Successfully deleted the image" });
}

/** Does a queued or running job run it? */
async function isUsed({ records }: DialectCore, { uid }: Owner, { id }: ImageRecord): Promise<boolean> {
  const [jobs, pipelines] = await Promise.all([
    listObjects(records, uid, "job"),
    listObjects(records, uid, "pipeline"),
  ]);
  const pending = new Set(pipelines.flatMap((one) => one.pending?.runs.map(({ job }) => job) ?? []));
  const using = jobs.filter(({ image }) => image === id);
  if (using.some((job) => pending.has(job.id))) return true;
  const runs = await Promise.all(using.map((job) => records.get<RunRecord>(keys.run(uid, job.id))));
  return runs.some((run) => run && isLive(run.data));
}

function mapOf(images: readonly ImageRecord[]) {
  return Object.fromEntries(
    images.map(({ id, name, dockerfile, createdAt }) => [
      id,
      { id, name, dockerfile: textOf(dockerfile), creation_date: dateOf(createdAt) },
    ]),
  );
}
