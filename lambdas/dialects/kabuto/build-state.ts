import { isTerminal } from "#protocol/state.ts";
import { json } from "../../http/json-answer.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { findObject, idOf } from "./objects.ts";
import { ownerOf } from "./owner.ts";
import { type BuildRecord, keys } from "./records.ts";
import { waitMs } from "./wait.ts";

/** Bytes of a build's output that are shown: the newest. */
const OUTPUT_BYTES = 1024 * 1024;
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
  const output = await outputOf(core, user, build.id);
  if (!output) return undefined;
  if (end.state === "SUCCESS") return { state: end.state, id: end.image, output };
  return { state: end.state, error: end.error, output: [...output, errorObject(end.message ?? end.error)] };
}

/** A build's log as the engine's JSON objects; undefined while not all of it is here. */
async function outputOf(core: DialectCore, user: string, id: string): Promise<object[] | undefined> {
  const command = await core.commands.command(user, id);
  const lines: string[] = [];
  let bytes = 0;
  let left = 0;
  for (let after = 0; ; ) {
    const page = await core.commands.rows(command, { after, limit: PAGE });
    for (const { text } of page.rows) {
      lines.push(`${text}\n`);
      bytes += Buffer.byteLength(text) + 1;
    }
    let over = 0;
    for (; bytes > OUTPUT_BYTES; over++) {
      const size = Buffer.byteLength(lines[over]!);
      bytes -= size;
      left += size;
    }
    lines.splice(0, over);
    if (page.complete) break;
    if (page.rows.length === 0) return undefined;
    after = page.next;
  }
  const first = left > 0 ? [{ stream: `[${left} bytes of output left out]\n` }] : [];
  return [...first, ...lines.map((stream) => ({ stream }))];
}

function errorObject(text: string): object {
  return { error: text, errorDetail: { message: text } };
}
