import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { backoffMs } from "#protocol/backoff.ts";
import { DOORBELL_CURSOR, DOORBELL_WAIT_S, type DoorbellListener } from "#protocol/doorbell.ts";
import { outwardAgents } from "../outward-agents.ts";

export type HttpDoorbellOptions = {
  /** address of the ground, for example `https://ground.example` (a path before `/agent` is kept) */
  ground: string;
  token: string | (() => string);
  /** first and longest pause after an error, in ms (default 500 and 30,000) */
  pauseMs?: { first: number; longest: number };
  /** grace over the wait before a silent connection is given up, in ms (default 30,000) */
  graceMs?: number;
  /** told of every failed poll; must not throw */
  onError?: (error: Error) => void;
  /** 0 to 1 (default Math.random) */
  random?: () => number;
};

/** A wait that ends this much sooner than asked was not answered by the doorbell. */
const EARLY = 0.5;

/**
 * The agent's end of the doorbell: long polls `GET /agent/doorbell`. Never throws: on errors it pauses, each
 * time longer up to a bound and with jitter, so that many agents do not come back at once. It never spins:
 * a 204 that came too soon and a 200 that is not the doorbell's (a proxy's log-in page) are errors too.
 */
export class HttpDoorbell implements DoorbellListener {
  readonly #url: string;
  readonly #options: HttpDoorbellOptions;
  readonly #agents = outwardAgents();
  #failures = 0;
  /** of the last ring that arrived */
  #cursor = "";

  constructor(options: HttpDoorbellOptions) {
    this.#url = `${options.ground.replace(/\/+$/, "")}/agent/doorbell`;
    this.#options = options;
  }

  async wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    const end = performance.now() + ms;
    for (let left = ms; left > 0 && !signal?.aborted; left = end - performance.now()) {
      try {
        const rung = await this.#poll(Math.min(left, DOORBELL_WAIT_S * 1000), signal);
        this.#failures = 0;
        if (rung) return true;
      } catch (error) {
        if (signal?.aborted) return false;
        this.#options.onError?.(error as Error);
        await pause(Math.min(this.#pauseMs(this.#failures++), end - performance.now()), signal);
      }
    }
    return false;
  }

  /** One long poll. Throws for anything but an honest 200 or 204. */
  async #poll(ms: number, signal?: AbortSignal): Promise<boolean> {
    const { token, graceMs = 30_000 } = this.#options;
    const started = performance.now();
    const timeout = AbortSignal.timeout(Math.ceil(ms + graceMs));
    const query = new URLSearchParams({ wait: (ms / 1000).toFixed(3), after: this.#cursor });
    const url = new URL(`${this.#url}?${query}`);
    const response = await headOf(url, {
      agent: url.protocol === "https:" ? this.#agents.https : this.#agents.http,
      headers: { Authorization: `Bearer ${typeof token === "string" ? token : token()}` },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const cursor = response.headers[DOORBELL_CURSOR.toLowerCase()];
    if (response.status === 200 && typeof cursor === "string") {
      this.#cursor = cursor;
      return true;
    }
    if (response.status !== 204) throw new Error(`the doorbell answered ${response.status}`);
    const early = performance.now() - started < ms * EARLY;
    // another wait of ours may have displaced this one: harmless once, a spin if it goes on
    if (early) throw new Error("the doorbell did not wait");
    return false;
  }

  #pauseMs(failures: number): number {
    const { pauseMs: { first, longest } = { first: 500, longest: 30_000 }, random } = this.#options;
    return backoffMs(first, longest, failures, random);
  }
}

/**
 * Status and headers of a GET; whatever body there is is thrown away, no redirect followed. Node's client
 * and not fetch, which takes several times as long: every command waits for this answer.
 */
function headOf(
  url: URL,
  options: { headers: http.OutgoingHttpHeaders; signal: AbortSignal; agent: http.Agent },
): Promise<{ status: number; headers: http.IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    const client = url.protocol === "https:" ? https : http;
    const request = client.get(url, options, (response) => {
      response.on("error", () => undefined);
      // the doorbell's answers have none, and leave the connection for the next poll
      if (response.headers["content-length"] === "0" || response.statusCode === 204) response.resume();
      else response.destroy();
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
    });
    request.on("error", reject);
  });
}

/** Ends early when aborted, without throwing. */
async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => {});
}
