import http from "node:http";
import https from "node:https";
import type net from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as z from "zod";
import * as windowWire from "#protocol/contact-window.ts";
import { isErrorCode, PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import { LINK_ENCODING } from "#protocol/link-encoding.ts";
import * as poolWire from "#protocol/pool-wire.ts";
import * as wire from "#protocol/wire.ts";
import { hasProxy, type OutwardAgents, outwardAgents, type ProxyEnvironment } from "../outward-agents.ts";
import { decoded } from "../transfers/decoded.ts";
import { ConnectionCut, download, type WriteChunks } from "./download.ts";
import { Link } from "./link.ts";

/** The ground answered with something we have no rule for, or not at all: try again later. */
export class GroundUnavailable extends Error {
  override readonly name = "GroundUnavailable";
  /** HTTP status of the answer, when there was one */
  readonly status?: number;

  constructor(message: string, options: { cause?: unknown; status?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    if (options.status !== undefined) this.status = options.status;
  }
}

export type GroundClientOptions = {
  /** address of the ground, e.g. https://ground.example */
  url: string;
  /** the agent's token */
  token: string;
  /** ms for a call without a file (default 30 s) */
  callMs?: number;
  /** ms without a byte after which a transfer is given up (default 60 s) */
  idleMs?: number;
  /** names the proxies (default: the process's environment) */
  proxies?: ProxyEnvironment;
};

/** What the rest of the agent sees of the ground. */
export type GroundPort = Pick<GroundClient, keyof GroundClient>;

/** The answer to a claim with `room`; undefined where a ground that is too old to know of it gave a command. */
const CLAIMED = z.union([
  wire.claimResponse,
  z.object({ resumed: z.undefined().optional() }).transform(() => undefined),
]);

/** A connection is given up after this (ms), or after six round trips, but not sooner than the last. */
const CONNECT_MS = 30_000;
const CONNECT_LEAST_MS = 5_000;
/** A call with a larger body (bytes) is more than the first packets of a connection: content waits for it. */
const SMALL_CALL = 16 * KiB;
/** A call's body has the time that it takes over a link of so many bytes per ms. */
const SLOWEST = 0.5;

/**
 * The agent's outward connection: JSON calls and streamed transfers over kept-alive sockets. Transfers have a pool of
 * their own: on a slow link they would hold every socket, and calls that wait for one are given up.
 */
export class GroundClient {
  readonly #base: URL;
  readonly #token: string;
  readonly #callMs: number;
  readonly #idleMs: number;
  /** what is known of the link from what this client moved over it */
  readonly link = new Link();
  readonly #logs = this.link.turns.sender("logs");
  readonly #underWay = new Set<{ request: http.ClientRequest; since: number }>();
  readonly #proxies: ProxyEnvironment;
  readonly #calls: OutwardAgents;
  readonly #transfers: OutwardAgents;

  constructor(options: GroundClientOptions) {
    this.#base = new URL(options.url.endsWith("/") ? options.url : `${options.url}/`);
    this.#token = options.token;
    this.#callMs = options.callMs ?? 30_000;
    this.#idleMs = options.idleMs ?? 60_000;
    this.#proxies = options.proxies ?? process.env;
    this.#calls = outwardAgents(this.#proxies);
    this.#transfers = outwardAgents(this.#proxies);
    this.link.onContact((lost) => this.#dropOlderThan(lost));
  }

  start(body: z.input<typeof wire.startRequest>): Promise<z.infer<typeof wire.startResponse>> {
    return this.#post("start", body, wire.startResponse);
  }

  async claim(epoch: number): Promise<wire.ClaimedCommand | undefined> {
    const answer = await this.#call("POST", "agent/claim", JSON.stringify({ epoch }));
    return answer.status === 204 ? undefined : read(answer.text, wire.claimedCommand);
  }

  /** With `room`; undefined when the ground is too old to know of it. */
  async claimMany(body: z.input<typeof wire.claimRequest>): Promise<wire.ClaimResponse | undefined> {
    const answer = await this.#call("POST", "agent/claim", JSON.stringify(body));
    return answer.status === 204 ? undefined : read(answer.text, CLAIMED);
  }

  /** What changed of many commands. @returns ids of those that should stop */
  progressMany(
    body: z.input<typeof wire.progressManyRequest>,
  ): Promise<z.infer<typeof wire.progressManyResponse>> {
    return this.#post("progress", body, wire.progressManyResponse);
  }

  async progress(body: z.input<typeof wire.progressRequest>): Promise<boolean> {
    return (await this.#post("progress", body, wire.progressResponse)).cancel;
  }

  /** @returns whether another command waits */
  async report(body: z.input<typeof wire.reportRequest>): Promise<boolean> {
    return (await this.#post("report", body, wire.reportResponse)).more;
  }

  urls(body: z.input<typeof wire.urlsRequest>): Promise<z.infer<typeof wire.urlsResponse>> {
    return this.#post("urls", body, wire.urlsResponse);
  }

  transfer(body: z.input<typeof wire.transferRequest>): Promise<z.infer<typeof wire.transferResponse>> {
    return this.#post("transfers", body, wire.transferResponse);
  }

  transferParts(
    body: z.input<typeof wire.transferPartsRequest>,
  ): Promise<z.infer<typeof wire.transferPartsResponse>> {
    return this.#post("transfers/parts", body, wire.transferPartsResponse);
  }

  completeTransfer(
    body: z.input<typeof wire.transferCompleteRequest>,
  ): Promise<z.infer<typeof wire.transferCompleteResponse>> {
    return this.#post("transfers/complete", body, wire.transferCompleteResponse);
  }

  heartbeat(body: z.input<typeof wire.heartbeatRequest>): Promise<z.infer<typeof wire.heartbeatResponse>> {
    return this.#post("heartbeat", body, wire.heartbeatResponse);
  }

  async pods(body: z.input<typeof wire.podsRequest>): Promise<void> {
    await this.#call("POST", "agent/pods", JSON.stringify(body));
  }

  async wantedPools(epoch: number): Promise<poolWire.WantedPools> {
    const answer = await this.#call("GET", `agent/pool?epoch=${epoch}`, "");
    return read(answer.text, poolWire.wantedResponse);
  }

  async windowPlan(epoch: number): Promise<windowWire.WindowPlan> {
    const answer = await this.#call("GET", `agent/windows?epoch=${epoch}`, "");
    return read(answer.text, windowWire.windowPlan);
  }

  tellPools(body: poolWire.PoolRequest): Promise<poolWire.PoolResponse> {
    return this.#post("pool", body, poolWire.poolResponse);
  }

  async inventory(body: z.input<typeof wire.inventoryRequest>): Promise<void> {
    await this.#call("POST", "agent/inventory", JSON.stringify(body));
  }

  /** @throws NOT_FOUND of a ground that takes none */
  async offer(body: z.input<typeof wire.offerRequest>): Promise<void> {
    await this.#call("POST", "agent/offer", JSON.stringify(body));
  }

  /** @throws NOT_FOUND of a ground that has no images for FPGAs */
  async fpgaHeld(body: z.input<typeof wire.fpgaHeldRequest>): Promise<void> {
    await this.#call("POST", "agent/dialects/fpga/held", JSON.stringify(body));
  }

  async logs(
    query: z.input<typeof wire.logsQuery>,
    data: Uint8Array,
  ): Promise<z.infer<typeof wire.logsResponse>> {
    const { text } = await this.#sendLog(`agent/logs?${parameters(query)}`, data);
    return wire.logsResponse.parse(JSON.parse(text));
  }

  async commandLogs(query: z.input<typeof wire.commandLogsQuery>, data: Uint8Array): Promise<void> {
    await this.#sendLog(`agent/command-logs?${parameters(query)}`, data);
  }

  /** Opens an object by its signed URL, from byte `start` to before `end`. @throws GroundUnavailable */
  async get(url: string, start: number, signal: AbortSignal, end?: number): Promise<Readable> {
    const ranged = start > 0 || end !== undefined;
    const mayCompress = end !== undefined && this.link.thin;
    const response = await this.#request("GET", url, {
      signal,
      pool: this.#transfers,
      headers: {
        ...(ranged && { range: `bytes=${start}-${end === undefined ? "" : end - 1}` }),
        ...(mayCompress && { [LINK_ENCODING.accept]: LINK_ENCODING.zstd }),
      },
    });
    const expected = ranged ? 206 : 200;
    if (response.statusCode !== expected) {
      response.resume();
      if (response.statusCode === 404) throw new PerigeeError("INTERNAL_ERROR", "A staged object is missing");
      throw new GroundUnavailable(`GET of a staged object answered ${response.statusCode}`);
    }
    const encoding = response.headers[LINK_ENCODING.header.toLowerCase()];
    return encoding === LINK_ENCODING.zstd ? decoded(response) : response;
  }

  /**
   * Gives an object from byte `start` on to `write`, quicker than `get`. False, and nothing written, when that
   * is not possible and `get` has to do: https, a proxy, or an answer that is not a plain one.
   * @throws GroundUnavailable for a cut connection; what `write` throws; the signal's reason
   */
  async download(url: string, start: number, signal: AbortSignal, write: WriteChunks): Promise<boolean> {
    const target = new URL(url.replace(/^\//, ""), this.#base);
    if (target.protocol !== "http:" || target.username !== "" || target.password !== "") return false;
    if (hasProxy("http", this.#proxies)) return false;
    try {
      return await download({ url: target, start, idleMs: this.link.atLeast(this.#idleMs), signal, write });
    } catch (error) {
      throw error instanceof ConnectionCut ? unavailable(error) : error;
    }
  }

  /**
   * Writes an object, or a part of one, by its signed URL. `size` is that of a stream, when it is known.
   * @throws GroundUnavailable; STORAGE_FULL, BODY_TOO_LARGE from the ground
   */
  async put(
    url: string,
    body: Readable | Uint8Array,
    signal: AbortSignal,
    of: { size?: number; headers?: Record<string, string> } = {},
  ): Promise<void> {
    const length = body instanceof Readable ? of.size : body.length;
    const headers = { ...of.headers, ...(length !== undefined && { "content-length": length }) };
    const answer = await this.#collect(
      await this.#request("PUT", url, { signal, headers, body, pool: this.#transfers }),
    );
    requireOk(answer);
  }

  close(): void {
    for (const pool of [this.#calls, this.#transfers]) {
      pool.http.destroy();
      pool.https.destroy();
    }
  }

  async #post<T extends z.ZodType>(path: string, body: unknown, schema: T): Promise<z.infer<T>> {
    const answer = await this.#call("POST", `agent/${path}`, JSON.stringify(body));
    return read(answer.text, schema);
  }

  #sendLog(path: string, data: Uint8Array): Promise<{ status: number; text: string }> {
    return this.#logs.turn(data.length, () => this.#exchange("PUT", path, data, "application/octet-stream"));
  }

  #call(method: string, path: string, body: string): Promise<{ status: number; text: string }> {
    const bytes = Buffer.from(body);
    const exchange = () => this.#exchange(method, path, bytes, "application/json");
    return bytes.length > SMALL_CALL ? this.link.turns.before(exchange) : exchange();
  }

  async #exchange(
    method: string,
    path: string,
    bytes: Uint8Array,
    type: string,
  ): Promise<{ status: number; text: string }> {
    const signal = AbortSignal.timeout(this.link.atLeast(this.#callMs) + Math.ceil(bytes.length / SLOWEST));
    const asked = performance.now();
    this.link.asked();
    const response = await this.#request(method, path, {
      signal,
      pool: this.#calls,
      headers: {
        "content-type": type,
        "content-length": bytes.length,
        authorization: `Bearer ${this.#token}`,
      },
      body: bytes,
    });
    const answer = await this.#collect(response);
    // a larger body takes as long as the link needs to carry it, which is no round trip
    if (bytes.length <= SMALL_CALL) this.link.answered(performance.now() - asked);
    requireOk(answer);
    return answer;
  }

  /**
   * What was under way when contact was lost: TCP would try it again only in as long as it has tried already, and a
   * new connection is there after a round trip.
   */
  #dropOlderThan(lost: number): void {
    for (const { request, since } of this.#underWay) {
      if (since <= lost) request.destroy(new Error("contact was lost meanwhile"));
    }
  }

  #request(
    method: string,
    path: string,
    options: {
      signal: AbortSignal;
      pool: OutwardAgents;
      headers: http.OutgoingHttpHeaders;
      body?: Readable | Uint8Array;
    },
  ): Promise<http.IncomingMessage> {
    const url = new URL(path.replace(/^\//, ""), this.#base);
    const secure = url.protocol === "https:";
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        reject(options.signal.aborted ? reasonOf(options.signal) : unavailable(error));
      };
      const request = (secure ? https : http).request(
        url,
        {
          method,
          agent: secure ? options.pool.https : options.pool.http,
          headers: options.headers,
          signal: options.signal,
          timeout: this.link.atLeast(this.#idleMs),
        },
        (response) => {
          const heard = () => {
            // It is not among what was lost with the contact.
            entry.since = performance.now();
            this.link.heard();
          };
          heard();
          // Who reads it lets it flow.
          response.on("data", heard).pause();
          resolve(response);
        },
      );
      const entry = { request, since: performance.now() };
      this.#underWay.add(entry);
      request.once("close", () => this.#underWay.delete(entry));
      request.once("socket", (socket) => this.#boundConnecting(request, socket));
      request.once("timeout", () => request.destroy(new Error("no byte for too long")));
      request.on("error", fail);
      if (options.body instanceof Readable) {
        // What the source says of itself is the truth to tell; a broken connection is heard from the request.
        options.body.on("error", reject);
        pipeline(options.body, request).catch(fail);
      } else {
        request.end(options.body);
      }
    });
  }

  /** A connection that does not come about is begun anew: TCP asks for it less and less often. */
  #boundConnecting(request: http.ClientRequest, socket: net.Socket): void {
    if (!socket.connecting) return;
    const { link } = this;
    const ms = link.roundTripMs === undefined ? CONNECT_MS : link.atLeast(CONNECT_LEAST_MS);
    const timer = setTimeout(() => request.destroy(new Error("no connection")), ms);
    for (const event of ["connect", "close"]) socket.once(event, () => clearTimeout(timer));
  }

  async #collect(response: http.IncomingMessage): Promise<{ status: number; text: string }> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of response) chunks.push(chunk as Buffer);
    } catch (error) {
      throw unavailable(error);
    }
    return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") };
  }
}

function parameters(query: Record<string, unknown>): URLSearchParams {
  return new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
  );
}

/** An answer that is not of our ground, such as a proxy's page, is none. @throws GroundUnavailable */
function read<T extends z.ZodType>(text: string, schema: T): z.infer<T> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new GroundUnavailable("the ground's answer cannot be read", { cause: error });
  }
}

function requireOk({ status, text }: { status: number; text: string }): void {
  if (status >= 200 && status < 300) return;
  let answer: { error?: unknown; message?: unknown } = {};
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    // Not from our ground: a proxy's page, or half an answer.
  }
  // 5xx without one of our codes may pass; a code is the ground's decision.
  if (isErrorCode(answer.error) && answer.error !== "INTERNAL_ERROR") {
    throw new PerigeeError(answer.error, String(answer.message ?? ""));
  }
  throw new GroundUnavailable(`the ground answered ${status}`, { status });
}

function unavailable(error: unknown): GroundUnavailable {
  return new GroundUnavailable("the ground does not answer", { cause: error });
}

function reasonOf(signal: AbortSignal): unknown {
  // Our own time limit means "no answer"; any other abort is its caller's reason.
  return signal.reason instanceof DOMException ? unavailable(signal.reason) : signal.reason;
}
