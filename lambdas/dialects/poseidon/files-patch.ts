import { setImmediate } from "node:timers/promises";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { Serial } from "#protocol/serial.ts";
import type { Runner } from "../../runners/runner-pools.ts";
import type { DialectContext } from "../dialect.ts";
import { emptyAnswer } from "./answers.ts";
import { isBase64 } from "./base64.ts";
import { givenIn, readWhole } from "./body.ts";
import { type Copy, copyTar } from "./copy-tar.ts";
import { fileFailure } from "./file-failure.ts";
import { fileSession } from "./file-session.ts";
import { Given } from "./given.ts";
import { hasManyValues } from "./has-many-values.ts";
import { HeldBytes } from "./held-bytes.ts";
import type { PoseidonCore } from "./parts.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { callerIn, runnerOf } from "./runner-of.ts";
import { Turns } from "./turns.ts";

const BODY_BYTES = 32 * MiB;
const MOST_ENTRIES = 10_000;
/** of the paths that are removed, together: they go to the edge in one message */
const REMOVE_BYTES = MiB;
/** Values of a large body, by the marks between them. */
const MOST_VALUES = 500_000;
/** Large bodies that this process parses at once. */
const LARGE_BODIES = 4;
const PATH_BYTES = LIMITS.pathBytes;

type Patch = { remove: string[]; copies: Copy[] };

const parsing = new Turns(LARGE_BODIES);
/** Bodies are held until their files are written. */
const held = new HeldBytes({ user: 256 * MiB, all: 1024 * MiB });
/** Of one runner one is done after another. */
const runners = new Serial();

/** PATCH /runners/{id}/files: removes, then copies, both as root. */
export async function patchFiles(c: DialectContext, core: PoseidonCore): Promise<Response> {
  const bytes = Math.min(Number(c.req.header("content-length") ?? BODY_BYTES), BODY_BYTES);
  const giveBack = held.take(callerIn(c).user, bytes);
  if (!giveBack) throw refusal(500, TEXTS.tooMuch, "NOMAD_OVERLOAD");
  try {
    return await patchHeld(c, core);
  } finally {
    giveBack();
  }
}

async function patchHeld(c: DialectContext, core: PoseidonCore): Promise<Response> {
  const body = await readWhole(c, BODY_BYTES);
  const runner = await runnerOf(core, callerIn(c), c.req.param("runner") ?? "");
  const isLarge = "bytes" in body && body.bytes.length > LIMITS.bodyBytes;
  const patch = isLarge
    ? await parsing.take(async () => {
        // what else waits gets its turn between two large ones
        await setImmediate();
        if ("bytes" in body && hasManyValues(body.bytes, MOST_VALUES)) {
          throw refusal(413, `the body must have at most ${MOST_VALUES} values`);
        }
        return patchIn(givenIn(body));
      })
    : patchIn(givenIn(body));
  await runners.run(runner.id, () => write(c, core, runner, patch));
  return emptyAnswer(204);
}

function patchIn(given: Given): Patch {
  const remove = given.texts("delete");
  const copies = (given.list("copy") ?? []).map((entry, at): Copy => {
    const file = new Given(entry, `copy[${at}].`);
    const [path, content] = [file.text("path"), file.text("content")];
    if (path === "") throw refusal(400, `copy[${at}].path must not be empty`);
    if (!isBase64(content)) throw refusal(400, `copy[${at}].content must be base64`);
    return { path, content };
  });
  if (remove.length + copies.length > MOST_ENTRIES) {
    throw refusal(413, `delete and copy must have at most ${MOST_ENTRIES} entries together`);
  }
  if (remove.reduce((sum, path) => sum + Buffer.byteLength(path), 0) > REMOVE_BYTES) {
    throw refusal(413, "the paths in delete must have at most 1 MiB together");
  }
  for (const path of [...remove, ...copies.map((copy) => copy.path)]) {
    if (path.includes("\0") || Buffer.byteLength(path) > PATH_BYTES) {
      throw refusal(400, `a path must have at most ${PATH_BYTES} bytes, without NUL`);
    }
  }
  return { remove, copies };
}

async function write(c: DialectContext, core: PoseidonCore, runner: Runner, { remove, copies }: Patch) {
  const session = await fileSession(c, core, runner, { kind: "write", write: { remove } });
  // what a tool says comes with the end
  const said = (async () => {
    for await (const _ of session.output);
  })();
  let ended = false;
  void session.ended.then(() => {
    ended = true;
  });
  for await (const piece of copyTar(copies, new Date(core.now()))) {
    if (ended) break;
    await session.write(piece);
  }
  void session.control({ type: "eof" });
  await said;
  const failure = fileFailure(await session.ended);
  if (failure) throw failure;
}
