import { isTerminal } from "#protocol/state.ts";
import { json } from "../../http/json-answer.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { errorObject, outputOf } from "./kept-outputs.ts";
import { findObject, idOf } from "./objects.ts";
import { type Owner, ownerOf } from "./owner.ts";
import { type BuildRecord, keys } from "./records.ts";
import { waitMs } from "./wait.ts";

/** GET /image/build/<build_id>, /image/build/<build_id>/<image_id>: how a build gets on. */
export async function getBuild(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const { user, uid } = owner;
  const image = c.req.param("image");
  if (image !== undefined && !(await findObject(core.records, uid, "image", idOf(image)))) {
    return json({ error: `could not find image with id ${image}` });
  }
  const id = c.req.param("build") ?? "";
  const until = core.now() + waitMs(c);
  for (;;) {
    const build = (await core.records.get<BuildRecord>(keys.build(uid, id)))?.data;
    if (!build) return json({ state: "FAILURE", error: "Build not found", output: "" });
    const answer = await answerOf(core, owner, build);
    const left = until - core.now();
    if (answer || left <= 0) return json(answer ?? { state: "PENDING" });
    const command = await core.commands.command(user, id);
    // ended, and the last of its log is still under way
    if (isTerminal(command.state))
      await core.commands.rows(command, { after: 2 ** 50, waitMs: Math.min(left, 1000) });
    else await core.commands.forChange(command, left);
  }
}

/** How a build has ended; undefined before, and while its output is not all here. */
async function answerOf(core: DialectCore, owner: Owner, build: BuildRecord): Promise<object | undefined> {
  const { end } = build;
  if (!end) return undefined;
  if (end.state === "FAILED" && end.output !== "log") {
    const { text } = end.output;
    return { state: end.state, error: end.error, output: text === null ? null : [errorObject(text)] };
  }
  if (end.state === "FAILURE") {
    return { state: end.state, error: end.error, output: end.output === "log" ? "" : end.output.text };
  }
  const output = await outputOf(core, owner, build);
  if (!output) return undefined;
  return end.state === "SUCCESS"
    ? { state: end.state, id: end.image, output }
    : { state: end.state, error: end.error, output };
}
