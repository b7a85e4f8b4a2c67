import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { BoundedMap } from "#protocol/bounded-map.ts";
import { incomingOf } from "../../http/body-stream.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import type { Owner } from "./owner.ts";
import { KEPT_MS, RepeatOf } from "./repeat-record.ts";

/** ms in which it shows that a connection was cut, where an equal request comes while one is open. */
const CUT_MS = 100;
const MOST = 10_000;

export type Kept = { status: number; headers: [string, string][]; body: string };
type Call = {
  digest: string;
  answer: Promise<Kept>;
  repeat: RepeatOf;
  isAnswered: boolean;
  /** somebody got it; undefined while it is not known */
  delivered?: boolean;
  /** since when it is known that nobody did */
  cutAt?: number;
};

export type Repeatable = {
  owner: Owner;
  /** what is changed, in whatever words */
  object: string;
  /** all that the request says */
  request: unknown;
  /** Does what was answered still hold? Asked where another path can undo it (default: it does). */
  holds?: (answer: Kept) => Promise<boolean>;
};

/**
 * Clients ask again when a connection breaks before the answer has come. Such a request gets the answer of the call
 * before, when that was the last one on its object and nobody got its answer. What was called here is known here; what
 * another process was asked is in the store ({@link RepeatOf}).
 */
export class Repeats {
  readonly #calls = new BoundedMap<string, Call>(MOST);
  readonly #core: DialectCore;
  readonly #by = randomUUID();
  /** those that write to the store */
  readonly #open = new Set<RepeatOf>();

  constructor(core: DialectCore) {
    this.#core = core;
  }

  async answer(
    c: DialectContext,
    { owner, object, request, holds }: Repeatable,
    work: (repeat: RepeatOf) => Promise<Response>,
  ): Promise<Response> {
    const digest = createHash("sha256").update(JSON.stringify(request)).digest("hex");
    const before = this.#calls.get(object);
    const isRepeat = before?.digest === digest && (await this.#isCut(before)) && (await isLast(before));
    if (isRepeat && (!before.isAnswered || !holds || (await before.answer.then(holds, () => true)))) {
      this.#watch(c, before);
      return responseOf(await before.answer);
    }
    const repeat = new RepeatOf({
      ...{ core: this.#core, owner, object, digest, by: this.#by, call: randomUUID() },
      isBlind: !isSeen(c),
      writing: (one, isWriting) => void (isWriting ? this.#open.add(one) : this.#open.delete(one)),
    });
    const call: Call = { digest, repeat, isAnswered: false, answer: work(repeat).then(kept) };
    const answered = () => {
      call.isAnswered = true;
    };
    call.answer.then(answered, answered);
    this.#calls.set(object, call);
    this.#watch(c, call);
    return responseOf(await call.answer);
  }

  /** Waits until what is under way of their records is written. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((repeat) => repeat.settled()));
  }

  /** Is it one whose caller went without its answer, a moment ago? */
  async #isCut(call: Call): Promise<boolean> {
    for (
      let waited = 0;
      call.delivered === undefined && call.cutAt === undefined && waited < CUT_MS;
      waited += 10
    ) {
      await sleep(10);
    }
    return call.delivered !== true && call.cutAt !== undefined && this.#core.now() - call.cutAt <= KEPT_MS;
  }

  #watch(c: DialectContext, call: Call): void {
    const outgoing = c.env?.outgoing;
    if (!outgoing || !isSeen(c)) {
      call.delivered = true;
      return;
    }
    const closed = () => {
      if (outgoing.writableFinished) call.delivered = true;
      else if (!call.delivered) call.cutAt = this.#core.now();
      call.repeat.closed(outgoing.writableFinished);
    };
    if (outgoing.destroyed || outgoing.closed) closed();
    else outgoing.once("close", closed);
  }
}

/** Where there is no connection of Node's nobody can tell whether an answer is got. */
function isSeen(c: DialectContext): boolean {
  return c.env?.outgoing !== undefined && incomingOf(c) !== undefined;
}

/** Another process may have been asked since. A call that changed nothing is decided anew. */
async function isLast({ isAnswered, repeat }: Call): Promise<boolean> {
  return !isAnswered || (await repeat.isLast());
}

async function kept(response: Response): Promise<Kept> {
  return { status: response.status, headers: [...response.headers], body: await response.text() };
}

function responseOf({ status, headers, body }: Kept): Response {
  return new Response(status === 204 ? null : body, { status, headers });
}
