import { setImmediate } from "node:timers/promises";
import { LIMITS, MiB } from "#protocol/limits.ts";
import type { Runner } from "../../runners/runner-pools.ts";
import type { DialectContext } from "../dialect.ts";
import { emptyAnswer } from "./answers.ts";
import { isBase64 } from "./base64.ts";
import { givenIn, type ReadBody, readWhole, throwAway } from "./body.ts";
import { type Copy, copyTar } from "./copy-tar.ts";
import { fileFailure } from "./file-failure.ts";
import { fileSession } from "./file-session.ts";
import { Given } from "./given.ts";
import { goneSignal } from "./gone-signal.ts";
import { hasManyValues } from "./has-many-values.ts";
import { HeldBytes, type Holding } from "./held-bytes.ts";
import type { PoseidonCore } from "./parts.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { callerIn, runnerOf } from "./runner-of.ts";
import { KeyedTurns, Turns } from "./turns.ts";

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

/** ms for which a body waits for those before it. */
const QUEUE_MS = 10 * 60_000;

const parsing = new Turns(LARGE_BODIES);
/** Bodies are held until their files are written. */
const held = new HeldBytes({ user: 256 * MiB, all: 1024 * MiB });
/** Of one runner one is done after another. */
const runners = new KeyedTurns();

/** PATCH /runners/{id}/files: removes, then copies, both as root. */
export async function patchFiles(c: DialectContext, core: PoseidonCore): Promise<Response> {
  const holding = held.open(callerIn(c).user);
  try {
    return await patchHeld(c, core, holding);
  } finally {
    holding.giveBack();
  }
}

async function patchHeld(c: DialectContext, core: PoseidonCore, holding: Holding): Promise<Response> {
  const body = await readHeld(c, holding);
  const runner = await runnerOf(core, callerIn(c), c.req.param("runner") ?? "");
  const isLarge = "bytes" in body && body.bytes.length > LIMITS.bodyBytes;
  const gone = goneSignal(c);
  const patch = isLarge
    ? await inTurn(gone, (signal, began) =>
        parsing.take(async () => {
          began();
          // what else waits gets its turn between two large ones
          await setImmediate();
          if ("bytes" in body && hasManyValues(body.bytes, MOST_VALUES)) {
            throw refusal(413, `the body must have at most ${MOST_VALUES} values`);
          }
          return patchIn(givenIn(body));
        }, signal),
      )
    : patchIn(givenIn(body));
  await inTurn(gone, (signal, began) =>
    runners.take(
      runner.id,
      () => {
        began();
        return write(c, core, runner, patch);
      },
      signal,
    ),
  );
  return emptyAnswer(204);
}

/** The body; one for which there is no room is read to its end and thrown away: a runner that is gone is told first. */
async function readHeld(c: DialectContext, holding: Holding): Promise<ReadBody> {
  const noRoom = refusal(500, TEXTS.tooMuch, "NOMAD_OVERLOAD");
  const length = c.req.header("content-length");
  const hasRoom = length === undefined || holding.take(Math.min(Number(length), BODY_BYTES));
  const arrived = (bytes: number) => {
    if (length === undefined && !holding.take(bytes)) throw noRoom;
  };
  const body = hasRoom ? await readWhole(c, BODY_BYTES, arrived) : { failed: noRoom };
  if ("failed" in body && body.failed === noRoom) {
    holding.giveBack();
    await throwAway(c, BODY_BYTES);
  }
  return body;
}

/**
 * Waits no longer than its client does, nor without end.
 * @param work tells when it has begun: it is then ended by others
 * @throws 500 NOMAD_OVERLOAD
 */
async function inTurn<T>(
  gone: AbortSignal,
  work: (signal: AbortSignal, began: () => void) => Promise<T>,
): Promise<T> {
  const waiting = new AbortController();
  const leave = () => waiting.abort(refusal(500, TEXTS.tooMuch, "NOMAD_OVERLOAD"));
  const late = setTimeout(leave, QUEUE_MS);
  const began = () => {
    clearTimeout(late);
    gone.removeEventListener("abort", leave);
  };
  gone.addEventListener("abort", leave);
  if (gone.aborted) leave();
  try {
    return await work(waiting.signal, began);
  } finally {
    began();
  }
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
