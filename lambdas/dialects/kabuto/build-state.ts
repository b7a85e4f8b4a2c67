import { isTerminal } from "#protocol/state.ts";
import { json } from "../../http/json-answer.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { BuildOutput } from "./build-output.ts";
import { findObject, idOf } from "./objects.ts";
import { ownerOf } from "./owner.ts";
import { type BuildRecord, keys } from "./records.ts";
import { waitMs } from "./wait.ts";

/** Rows of a log that are read at once. */
const PAGE = 10_000;

/** GET /image/build/<build_id>, /image/build/<build_id>/<image_id>: how a build gets on. */
export async function getBuild(c: DialectContext, core: DialectCore): Promise<Response> {
  const { user, uid } = await ownerOf(c, core);
  const image = c.req.param("image");
  if (image !== undefined && !(await findObject(core.records, uid, "image", idOf(image)))) {
    return json({ error: `could not find image with id ${image}` });
  }
  const id = c.req.param("build") ?? "";
  const until = core.now() + waitMs(c);
  for (;;) {
    const build = (await core.records.get<BuildRecord>(keys.build(uid, id)))?.data;
    if (!build) return json({ state: "FAILURE", error: "Build not found", output: "" });
    const answer = await answerOf(core, user, build);
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
async function answerOf(core: DialectCore, user: string, build: BuildRecord): Promise<object | undefined> {
  const { end } = build;
  if (!end) return undefined;
  if (end.state === "FAILED" && end.output !== "log") {
    const { text } = end.output;
    return { state: end.state, error: end.error, output: text === null ? null : [errorObject(text)] };
  }
  if (end.state === "FAILURE") {
    return { state: end.state, error: end.error, output: end.output === "log" ? "" : end.output.text };
  }
  const log = await readOutput(core, user, build.id);
  if (!log) return undefined;
  if (end.state === "SUCCESS") return { state: end.state, id: end.image, output: log.objects() };
  const message = end.message ?? end.error;
  // the engine's last words are told as an error, and stand in the log as lines too
  log.dropEnd(message);
  return { state: end.state, error: end.error, output: [...log.objects(), errorObject(message)] };
}

/** A build's log; undefined while not all of it is here. */
async function readOutput(core: DialectCore, user: string, id: string): Promise<BuildOutput | undefined> {
  const command = await core.commands.command(user, id);
  const output = new BuildOutput();
  for (let after = 0; ; ) {
    const page = await core.commands.rows(command, { after, limit: PAGE });
    output.add(page);
    if (page.complete) return output;
    if (page.rows.length === 0) return undefined;
    after = page.next;
  }
}

function errorObject(text: string): object {
  return { error: text, errorDetail: { message: text } };
}
