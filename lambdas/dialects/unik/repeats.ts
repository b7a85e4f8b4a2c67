import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { BoundedMap } from "#protocol/bounded-map.ts";
import { incomingOf } from "../../http/body-stream.ts";
import type { DialectContext } from "../dialect.ts";

/** ms for which an answer that nobody got is kept for who asks again. */
const KEPT_MS = 60_000;
/** ms in which it shows that a connection was cut, where an equal request comes while one is open. */
const CUT_MS = 100;
const MOST = 10_000;

type Kept = { status: number; headers: [string, string][]; body: string };
type Call = {
  digest: string;
  answer: Promise<Kept>;
  /** somebody got it; undefined while it is not known */
  delivered?: boolean;
  /** since when it is known that nobody did */
  cutAt?: number;
};

/**
 * Clients ask again when a connection breaks before the answer has come. Such a request gets the answer of the call
 * before, when that was the last one on its object and nobody got its answer.
 */
export class Repeats {
  readonly #calls = new BoundedMap<string, Call>(MOST);
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * @param object what is changed, in whatever words
   * @param request all that the request says
   */
  async answer(
    c: DialectContext,
    { object, request }: { object: string; request: unknown },
    work: () => Promise<Response>,
  ): Promise<Response> {
    const digest = createHash("sha256").update(JSON.stringify(request)).digest("hex");
    const before = this.#calls.get(object);
    if (before?.digest === digest && (await this.#isCut(before))) {
      this.#watch(c, before);
      return responseOf(await before.answer);
    }
    const call: Call = { digest, answer: work().then(kept) };
    this.#calls.set(object, call);
    this.#watch(c, call);
    return responseOf(await call.answer);
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
    return call.delivered !== true && call.cutAt !== undefined && this.#now() - call.cutAt <= KEPT_MS;
  }

  #watch(c: DialectContext, call: Call): void {
    const outgoing = c.env?.outgoing;
    if (!outgoing || !incomingOf(c)) {
      call.delivered = true;
      return;
    }
    const closed = () => {
      if (outgoing.writableFinished) call.delivered = true;
      else if (!call.delivered) call.cutAt = this.#now();
    };
    if (outgoing.destroyed || outgoing.closed) closed();
    else outgoing.once("close", closed);
  }
}

async function kept(response: Response): Promise<Kept> {
  return { status: response.status, headers: [...response.headers], body: await response.text() };
}

function responseOf({ status, headers, body }: Kept): Response {
  return new Response(status === 204 ? null : body, { status, headers });
}
