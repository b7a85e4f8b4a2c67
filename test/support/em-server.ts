import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import pino from "pino";
import { DirectoryStaging } from "#lambdas/adapters/directory/staging.ts";
import { commandOrder } from "#lambdas/auth/command-order.ts";
import type { EmDeps } from "#lambdas/dialects/em/deps.ts";
import { registerEmRoutes } from "#lambdas/dialects/em/routes.ts";
import type { Answer, Dispatch, Request, Reservation } from "#lambdas/dispatch/dispatch.ts";
import { downlinkKey, uplinkPrefix } from "#lambdas/dispatch/staging-keys.ts";
import type { GroundEnv } from "#lambdas/http/env.ts";
import { honourExpectContinue } from "#lambdas/http/expect-continue.ts";
import { foldedPath } from "#lambdas/http/fold-slashes.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import { PodLogs } from "#lambdas/logs/pod-logs.ts";
import type { Failure } from "#protocol/errors.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { OperationName, ResultOf } from "#protocol/operations.ts";

export const COMMAND_ID = "01JD0000000000000000000001";

/** What the fake edge does with a request: a result, a failure, or the command as it stands. */
export type Outcome = { result: unknown } | { failure: Failure } | { accepted: true };

type Upload = Parameters<Reservation["complete"]>[0];

/** A Dispatch that answers what the test says, and remembers what it was asked. */
export class FakeDispatch implements Dispatch {
  readonly requests: Request<OperationName>[] = [];
  readonly reservations: Parameters<Dispatch["reserve"]>[0][] = [];
  readonly uploads: Upload[] = [];
  readonly abandoned: Failure[] = [];
  /** refuses every call, as a busy edge does */
  refusal: PerigeeError | undefined;
  allowance = Number.MAX_SAFE_INTEGER;
  outcome: Outcome | ((request: Request<OperationName>) => Outcome) = { result: {} };
  readonly #staging: () => DirectoryStaging;
  #onAbandon: (() => void)[] = [];

  constructor(staging: () => DirectoryStaging) {
    this.#staging = staging;
  }

  async run<O extends OperationName>(request: Request<O>): Promise<Answer<O>> {
    if (this.refusal) throw this.refusal;
    this.requests.push(request as unknown as Request<OperationName>);
    return this.#answer(request.operation, request as unknown as Request<OperationName>);
  }

  submitMany(): ReturnType<Dispatch["submitMany"]> {
    return Promise.reject(new Error("the EM submits one command at a time"));
  }

  submitTogether(): ReturnType<Dispatch["submitTogether"]> {
    return Promise.reject(new Error("the EM submits one command at a time"));
  }

  lookAtLane(): ReturnType<Dispatch["lookAtLane"]> {
    return Promise.reject(new Error("the EM submits one command at a time"));
  }

  async reserve<O extends OperationName = "volume.uplink">(
    request: Parameters<Dispatch["reserve"]>[0],
  ): Promise<Reservation<O>> {
    if (this.refusal) throw this.refusal;
    this.reservations.push(request);
    const command = fakeCommand("volume.uplink", "staging");
    const prefixes = new Set<string>();
    return {
      command,
      allowance: this.allowance,
      prefix: (volume) => {
        const prefix = uplinkPrefix(command, volume);
        prefixes.add(prefix);
        return prefix;
      },
      complete: async (upload) => {
        this.uploads.push(upload);
        const bytes = upload.files.reduce((sum, file) => sum + file.size, 0);
        this.outcome =
          "result" in this.outcome ? { result: { count: upload.files.length, bytes } } : this.outcome;
        return (await this.#answer("volume.uplink")) as Answer<O>;
      },
      abandon: async (reason) => {
        for (const prefix of prefixes) await this.#staging().deletePrefix(prefix);
        this.abandoned.push(reason);
        for (const resolve of this.#onAbandon.splice(0)) resolve();
      },
    };
  }

  /** Resolves at the next (or after the first) abandon. */
  async nextAbandon(): Promise<Failure> {
    if (this.abandoned.length === 0) await new Promise<void>((resolve) => this.#onAbandon.push(resolve));
    return this.abandoned.at(-1)!;
  }

  #answer<O extends OperationName>(operation: O, request?: Request<OperationName>): Answer<O> {
    const outcome = typeof this.outcome === "function" ? this.outcome(request!) : this.outcome;
    if ("result" in outcome) {
      return {
        kind: "succeeded",
        command: fakeCommand(operation, "succeeded"),
        result: outcome.result as ResultOf<O>,
      };
    }
    if ("failure" in outcome) {
      return { kind: "failed", command: fakeCommand(operation, "failed"), failure: outcome.failure };
    }
    return { kind: "accepted", command: { ...fakeCommand(operation, "queued"), position: 3 } };
  }
}

export function fakeCommand(operation: OperationName, state: Command["state"]): Command {
  return {
    id: COMMAND_ID,
    user: "client1",
    edge: "cg2",
    operation,
    input: {},
    state,
    lane: "em",
    admission: "place",
    attempts: 0,
    createdAt: 0,
  };
}

/** The EM routes on a real Node server at a free port, over a real directory staging and a fake edge. */
export class EmServer {
  readonly dispatch: FakeDispatch;
  readonly staging: DirectoryStaging;
  readonly podLogs: PodLogs;
  readonly app: Hono<GroundEnv>;
  readonly server: Server;
  readonly #directory: string;

  private constructor(directory: string, staging: DirectoryStaging, overrides: Partial<EmDeps>) {
    this.#directory = directory;
    this.staging = staging;
    this.podLogs = new PodLogs(staging, { pollMs: 20 });
    this.dispatch = new FakeDispatch(() => staging);
    this.app = new Hono<GroundEnv>({ getPath: foldedPath });
    this.app.use("/em/*", async (c, next) => {
      c.set("user", "client1");
      await next();
    });
    registerEmRoutes(this.app, {
      dispatch: this.dispatch,
      now: Date.now,
      staging,
      podLogs: this.podLogs,
      runs: { find: async () => [] },
      resolveEdge: async (_user, header) => {
        if (header === undefined || header === "cg2" || header === "cg3") return header ?? "cg2";
        throw new PerigeeError("EDGE_NOT_FOUND", "There is no such edge");
      },
      orderOf: commandOrder({ accounts: { getUser: async () => undefined }, now: Date.now }),
      completeRun: async ({ run }) => run,
      log: pino({ level: "silent" }),
      ...overrides,
    });
    this.server = createAdaptorServer({ fetch: this.app.fetch, overrideGlobalObjects: false }) as Server;
    honourExpectContinue(this.server);
  }

  static async start(overrides: Partial<EmDeps> = {}): Promise<EmServer> {
    const directory = await mkdtemp(join(tmpdir(), "perigee-em-"));
    const staging = await DirectoryStaging.open(directory, {
      secret: "a secret of at least thirty-two bytes",
      freeFloorBytes: 0,
    });
    const em = new EmServer(directory, staging, overrides);
    await new Promise<void>((resolve) => em.server.listen(0, "127.0.0.1", resolve));
    return em;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, init);
  }

  /** POST of a multipart form of texts; a list is a repeated field. */
  form(path: string, fields: Record<string, string | string[]>, headers: Record<string, string> = {}) {
    const body = new FormData();
    for (const [name, values] of Object.entries(fields)) {
      for (const value of [values].flat()) body.append(name, value);
    }
    return this.fetch(path, { method: "POST", body, headers });
  }

  /** Puts what the agent would have staged for the command. */
  async stage(n: number, content: string | Uint8Array): Promise<void> {
    const key = downlinkKey(fakeCommand("volume.read", "succeeded"), n);
    await this.staging.put(key, Buffer.from(content), { maxBytes: 1 << 30 });
  }

  /** Keys of everything in staging. */
  async staged(): Promise<string[]> {
    const all = [...(await this.staging.list("uplink/")), ...(await this.staging.list("downlink/"))];
    return all.map(({ key }) => key);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await rm(this.#directory, { recursive: true, force: true });
  }
}
