import type { CommandView } from "./command-view.ts";
import { operationWords } from "./command-view.ts";
import type { Credentials, Tokens } from "./credentials.ts";
import { CliFailure, exitOf } from "./failure.ts";
import type { Answer, Call } from "./http/call.ts";
import { followRedirect } from "./http/follow-redirect.ts";
import { isCut, networkFailure } from "./http/network-error.ts";
import { readText, send } from "./http/send.ts";
import { parseExact, stringifyExact } from "./json.ts";
import type { Output } from "./output/output.ts";
import { duration, time } from "./output/text.ts";
import { Patience, retryAfterMs } from "./patience.ts";
import { isWindow, windowText } from "./windows/window-text.ts";

export type ClientOptions = {
  /** where the ground is, without a slash at the end */
  url: string;
  edge?: string;
  /** ISO 8601: a command that the edge has not taken by then ends */
  expires?: string | undefined;
  /** `Perigee-Priority` of what is submitted */
  priority?: number | undefined;
  /** ms to wait for a busy or unreachable edge; 0 = not at all */
  waitMs: number;
  credentials: Credentials;
  output: Output;
  signal: AbortSignal;
};

export type Body = { message?: string; data?: unknown; [field: string]: unknown };

/** A call whose body can be made again for another attempt. */
export type Attempt = Omit<Call, "body" | "signal"> & {
  json?: unknown;
  stream?: () => Call["body"] & { type?: string };
};

const MAX_ANSWER = 512 * 1024 * 1024;
const MAX_CUTS = 3;

/** Speaks to the ground: signs in, renews the access token, waits for a busy edge. */
export class Client {
  readonly options: ClientOptions;
  /** the command that is under way, once it is known */
  current: string | undefined;
  /** tells people how to continue what is interrupted now; undefined when the command needs no special hint */
  resumable: string | undefined;
  readonly #base: URL;
  #tokens: Tokens | undefined;

  constructor(options: ClientOptions) {
    this.options = options;
    this.#base = new URL(options.url);
  }

  patience(): Patience {
    return new Patience(this.options.waitMs, this.options.signal);
  }

  /**
   * One request, signed in; an expired access token is renewed once. Any status comes back.
   * @throws CliFailure NOT_LOGGED_IN, UNAUTHORIZED, GROUND_UNREACHABLE, CONNECTION_LOST
   */
  async send(attempt: Attempt): Promise<Answer> {
    let tokens = await this.#signedIn();
    // Renewed before the request: an upload would otherwise be sent twice when the token expires under it.
    if (endsWithin(tokens.access, 30)) tokens = await this.#renew(tokens);
    const answer = await this.#once(attempt, tokens.access);
    if (answer.status !== 401) return answer;
    answer.body.resume();
    const renewed = await this.#renew(tokens);
    const again = await this.#once(attempt, renewed.access);
    if (again.status === 401) throw await failureFrom(again);
    return again;
  }

  /** {@link send}, and the body as JSON. @throws CliFailure for anything but 2xx */
  async json(attempt: Attempt): Promise<Body> {
    const answer = await this.send(attempt);
    if (answer.status >= 300) throw await failureFrom(answer);
    return readJson(answer);
  }

  /**
   * Repeats the request until the edge accepts it. After 423, 503 or a full queue it waits (`Retry-After`, at most
   * `--wait`); after a cut connection it tries again (the Idempotency-Key makes that safe; an uplink may be repeated).
   * Returns the first 2xx answer. @throws CliFailure for any other answer, and when the wait is over
   */
  async whenFree(attempt: Attempt, patience: Patience): Promise<Answer> {
    let cuts = 0;
    let key = crypto.randomUUID();
    for (;;) {
      const keyed: Record<string, string> = attempt.method === "POST" ? { "Idempotency-Key": key } : {};
      let answer: Answer;
      try {
        answer = await this.send({ ...attempt, headers: { ...keyed, ...attempt.headers } });
      } catch (error) {
        const lost = error instanceof CliFailure && error.code === "CONNECTION_LOST";
        if (!lost || ++cuts > MAX_CUTS || patience.limitMs === 0) throw error;
        this.options.output.notice(`${error.message}; trying again`);
        await patience.pause(500 * 2 ** cuts);
        continue;
      }
      if (answer.status < 300) return answer;
      const failure = await failureFrom(answer);
      if (!worthWaiting(answer.status, failure.code)) throw failure;
      const left = patience.blocked();
      if (left <= 0) throw patience.limitMs ? overdue(failure, patience.limitMs) : failure;
      this.#sayWaiting(failure, left);
      await patience.pause(Math.min(left, retryAfterMs(answer.headers)));
      // A refused request did nothing, and its key may belong to a command that was withdrawn: take a new key.
      key = crypto.randomUUID();
    }
  }

  async #once(attempt: Attempt, access: string): Promise<Answer> {
    const { json, stream, ...call } = attempt;
    const { edge, expires, priority, url, signal } = this.options;
    const body = stream ? stream() : json === undefined ? undefined : Buffer.from(stringifyExact(json));
    const type = stream
      ? (body as { type?: string }).type
      : json === undefined
        ? undefined
        : "application/json";
    const headers = {
      Authorization: `Bearer ${access}`,
      ...(edge && { "Perigee-Edge": edge }),
      ...(expires && { "Perigee-Expires": expires }),
      ...(priority !== undefined && { "Perigee-Priority": String(priority) }),
      ...(type && { "Content-Type": type }),
      ...call.headers,
    };
    try {
      return await followRedirect(await send(this.#base, { ...call, headers, body, signal }), {
        ...call,
        signal,
      });
    } catch (error) {
      throw signal.aborted ? error : networkFailure(error, url);
    }
  }

  async #signedIn(): Promise<Tokens> {
    this.#tokens ??= await this.options.credentials.get(this.options.url);
    if (this.#tokens) return this.#tokens;
    throw new CliFailure("NOT_LOGGED_IN", `you are not logged in at ${this.options.url}`);
  }

  async #renew(tokens: Tokens): Promise<Tokens> {
    const { credentials, url, signal } = this.options;
    let answer: Answer;
    try {
      const body = Buffer.from(JSON.stringify({ refresh: tokens.refresh }));
      const headers = { "Content-Type": "application/json" };
      answer = await send(this.#base, { method: "POST", path: "/auth/refresh", headers, body, signal });
    } catch (error) {
      throw signal.aborted ? error : networkFailure(error, url);
    }
    if (answer.status === 401) {
      answer.body.resume();
      throw new CliFailure("UNAUTHORIZED", "your log-in has expired or was withdrawn");
    }
    if (answer.status !== 200) throw await failureFrom(answer);
    const { access } = await readJson(answer);
    if (typeof access !== "string") throw new CliFailure("BAD_ANSWER", "the log-in could not be renewed");
    this.#tokens = { ...tokens, access };
    // Another process may have logged in or out meanwhile: replace only the log-in that was renewed here.
    if ((await credentials.get(url))?.refresh === tokens.refresh) await credentials.set(url, this.#tokens);
    return this.#tokens;
  }

  #sayWaiting(failure: CliFailure, left: number): void {
    const { output } = this.options;
    const until = ` (waiting, ${duration(left)} left)`;
    const text = describeBusy(failure, output.live);
    // Without a terminal a line is written for each change of the text, so it must not contain a countdown.
    output.waiting(output.live ? text + until : `${text}; waiting`, {
      waiting: failure.code,
      ...failure.fields,
    });
  }
}

/** What a 423, 429 or 503 says about the edge, for people. `countdown`: see {@link windowText}. */
export function describeBusy(failure: CliFailure, countdown = true): string {
  if (failure.code === "QUEUE_FULL") return "the edge's queue is full";
  const { next_window: window } = failure.fields;
  if (isWindow(window)) return `out of contact; ${windowText(window, Date.now(), countdown)}`;
  if (failure.code !== "LOCKED") return `${failure.message || "the edge is out of contact"}`;
  type Busy = { operation?: unknown; since?: unknown; command_id?: unknown; held?: unknown };
  const data = (failure.fields.data ?? {}) as Busy;
  const since = data.since ? ` since ${time(data.since)}` : "";
  if (data.held) return `CG2 is held by its operator${since}`;
  const what = data.operation
    ? `${operationWords(data.operation)} of yours${data.command_id ? ` (${data.command_id})` : ""}`
    : "others' command";
  return `CG2 is busy with ${what}${since}`;
}

/** Turns an answer other than 2xx into a failure. Reads its body. */
export async function failureFrom(answer: Answer): Promise<CliFailure> {
  let body: Body = {};
  try {
    const parsed = parseExact(await readText(answer.body, 4 * 1024 * 1024));
    if (typeof parsed === "object" && parsed !== null) body = parsed as Body;
  } catch {
    // a proxy's page, or a connection that ended after the status line: only the status is known
  }
  // the API for FPGA images puts both into one object
  const nested = typeof body.error === "object" && body.error !== null ? (body.error as Body) : {};
  const { error, message, ...fields } = {
    ...body,
    ...("code" in nested && { error: nested.code, message: nested.message }),
  };
  const code = typeof error === "string" && error ? error : `HTTP_${answer.status}`;
  const text = typeof message === "string" && message ? message : `the ground answered ${answer.status}`;
  const retry =
    code === "TOO_MANY_ATTEMPTS" ? `try again in ${answer.headers["retry-after"] ?? "a few"} s` : undefined;
  return new CliFailure(code, text, {
    exit: exitOf(code, answer.status),
    hint: retry,
    fields: { status: answer.status, ...fields },
  });
}

/** @throws CliFailure BAD_ANSWER, CONNECTION_LOST */
export async function readJson(answer: Answer): Promise<Body> {
  let text: string;
  try {
    text = await readText(answer.body, MAX_ANSWER);
  } catch (error) {
    if (isCut(error)) throw networkFailure(error, "the ground");
    throw error;
  }
  try {
    const body = parseExact(text);
    if (typeof body === "object" && body !== null) return body as Body;
  } catch {}
  throw new CliFailure("BAD_ANSWER", "the answer is not JSON", {
    hint: "is --url the address of a Perigee ground?",
  });
}

/** The command behind a 202: from `Location`, else from the body. */
export function acceptedId(answer: Answer, body: Body): string {
  const location = /\/commands\/([^/?#]+)/.exec(answer.headers.location ?? "")?.[1];
  const id = location ?? body.command_id ?? (body.data as Partial<CommandView> | undefined)?.command_id;
  if (typeof id === "string") return id;
  throw new CliFailure("BAD_ANSWER", "the command was accepted, but the answer does not name it", {
    hint: "find it with: perigee commands",
  });
}

function worthWaiting(status: number, code: string): boolean {
  return status === 423 || status === 503 || (status === 429 && code !== "TOO_MANY_ATTEMPTS");
}

function overdue(failure: CliFailure, limitMs: number): CliFailure {
  const message = `${describeBusy(failure)}; given up after ${duration(limitMs)}`;
  return new CliFailure(failure.code, message, {
    exit: failure.exit,
    hint: failure.hint,
    fields: failure.fields,
  });
}

/** Does the JWT expire within so many seconds? False when its expiry cannot be read. */
function endsWithin(token: string, seconds: number): boolean {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return typeof exp === "number" && exp * 1000 - Date.now() < seconds * 1000;
  } catch {
    return false;
  }
}
