import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import type { DialectCore } from "#lambdas/dialects/core.ts";
import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { poseidon } from "#lambdas/dialects/poseidon/dialect.ts";
import { PoseidonTokens } from "#lambdas/dialects/poseidon/tokens.ts";
import { createEmbeddedGround } from "#lambdas/embedded.ts";
import { serveGround } from "#lambdas/serve-ground.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { MemoryPools } from "./memory-pools.ts";
import { MemoryTickets, ScriptedLive } from "./scripted-live.ts";

export type PoseidonGround = Awaited<ReturnType<typeof startPoseidonGround>>;

export type Answer = { status: number; headers: Headers; text: string; json: unknown };

/** A real ground on a real server, whose pools and live sessions are the test's. Ends with the test. */
export async function startPoseidonGround(
  options: { settings?: Record<string, string>; lambda?: true; trustProxy?: true } = {},
) {
  const data = await mkdtemp(join(tmpdir(), "perigee-poseidon-"));
  const pools = new MemoryPools();
  const live = new ScriptedLive();
  const tickets = new MemoryTickets();
  const lines: string[] = [];
  const ground = await createEmbeddedGround({
    data,
    passwordCost: QUICK_PASSWORDS,
    log: pino({ level: "debug" }, { write: (line: string) => void lines.push(line) }),
    dialects: [
      withParts((core) => {
        const { live: _, runners: __, ...rest } = core;
        return options.lambda ? rest : { ...rest, runners: pools, live: { sessions: live, tickets } };
      }),
    ],
    settings: options.settings ?? {},
    ...(options.trustProxy && { trustProxy: true }),
  });
  const served = await serveGround(ground, { host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    await served.close(0);
    await ground.close();
    await rm(data, { recursive: true, force: true });
  });
  const agent = await ground.accounts.addEdge("em1");
  const { core } = ground.dialects[0]!;
  const tokens = new PoseidonTokens(core.records);
  const token = async (user: string, edge?: string) => {
    const account =
      (await ground.accounts.getUser(user)) ?? (await ground.accounts.addUser(user, "long enough"));
    const { name, uid } = account;
    const of = { name: `${user}-${edge ?? "any"}`, user: name, uid, createdAt: 0 };
    return tokens.add({ ...of, ...(edge !== undefined && { edge }) });
  };
  const base = `${served.url}/api/v1`;
  return {
    ground,
    pools,
    live,
    tickets,
    tokens,
    token,
    lines,
    base,
    port: Number(new URL(served.url).port),

    /** The edge is in contact from now on. */
    async beat() {
      const post = async (path: string, body: object) => {
        const headers = { authorization: `Bearer ${agent.token}`, "content-type": "application/json" };
        const answer = await fetch(`${served.url}/agent/${path}`, {
          method: "POST",
          headers,
          body: JSON.stringify(body),
        });
        return (await answer.json()) as { epoch: number };
      };
      const { epoch } = await post("start", {
        journal: "j",
        version: "t",
        operations: [],
        features: ["live", "runners"],
      });
      await post("heartbeat", { epoch, nodes: [], usage: {}, free: 1e12 });
    },

    /** A client with a token of a user, of the name `ada` unless said otherwise. */
    async client(user = "ada", edge?: string) {
      return clientOf(base, await token(user, edge));
    },
  };
}

export type Client = ReturnType<typeof clientOf>;

export function clientOf(base: string, token?: string) {
  const send = async (method: string, path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(base + path, {
      method,
      ...init,
      headers: { ...(token && { "Poseidon-Token": token }), ...init.headers },
    });
    const text = await response.text();
    const { status, headers } = response;
    return {
      status,
      headers,
      text,
      get json() {
        return JSON.parse(text);
      },
    };
  };
  return {
    token,
    send,
    get: (path: string, init?: RequestInit) => send("GET", path, init),
    delete: (path: string) => send("DELETE", path),
    /** A body as it is, or as JSON. */
    post: (path: string, body: unknown) => send("POST", path, { body: textOf(body) }),
    put: (path: string, body: unknown) => send("PUT", path, { body: textOf(body) }),
    patch: (path: string, body: unknown) => send("PATCH", path, { body: textOf(body) }),
    /** An environment 0 and a runner of it. @returns the runner's path */
    async runner(): Promise<string> {
      const known = await send("GET", "/execution-environments/0");
      if (known.status === 404) await send("PUT", "/execution-environments/0", { body: "{}" });
      const { json } = await send("POST", "/runners", { body: "{}" });
      return `/runners/${(json as { runnerId: string }).runnerId}`;
    },
  };
}

const textOf = (body: unknown) => (typeof body === "string" ? body : JSON.stringify(body));

/** The dialect over other parts of the core than the ground's. */
function withParts(parts: (core: DialectCore) => DialectCore): Dialect {
  const { upgrade } = poseidon;
  return {
    ...poseidon,
    authenticate: (c, core) => poseidon.authenticate(c, parts(core)),
    mount: (app, core) => poseidon.mount(app, parts(core)),
    ...(upgrade && {
      upgrade: {
        accepts: (incoming) => upgrade.accepts(incoming),
        handle: (incoming, socket, head, core) => upgrade.handle(incoming, socket, head, parts(core)),
      },
    }),
  };
}
