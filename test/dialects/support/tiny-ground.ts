import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { DIALECTS } from "#lambdas/dialects/index.ts";
import { createEmbeddedGround, type EmbeddedOptions } from "#lambdas/embedded.ts";
import type { TlsOptions } from "#lambdas/http/tls-files.ts";
import { serveGround } from "#lambdas/serve-ground.ts";
import type { ClaimedCommand, ClaimResponse } from "#protocol/wire.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { tiny } from "../tiny/dialect.ts";

const PASSWORD = "correct horse";

export type TinyGround = Awaited<ReturnType<typeof startTinyGround>>;

/** A real embedded ground on a real server, with the tiny dialect beside the others, one edge and two users. */
export async function startTinyGround(
  options: Partial<EmbeddedOptions> & { tls?: TlsOptions; dialects?: readonly Dialect[] } = {},
) {
  const data = await mkdtemp(join(tmpdir(), "perigee-tiny-"));
  const { tls, ...rest } = options;
  const ground = await createEmbeddedGround({
    data,
    passwordCost: QUICK_PASSWORDS,
    log: pino({ level: process.env.PERIGEE_LOG_LEVEL ?? "silent" }),
    dialects: [...DIALECTS, tiny],
    settings: { PERIGEE_TINY_GREETING: "good day" },
    ...rest,
  });
  const served = await serveGround(ground, { host: "127.0.0.1", port: 0, ...(tls && { tls }) });
  const { token } = await ground.accounts.addEdge("em1");
  for (const name of ["ada", "bob"]) await ground.accounts.addUser(name, PASSWORD);
  const agent = (path: string, body: unknown) =>
    fetch(`${served.url}/agent/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  return {
    ground,
    ...served,
    data,
    agentToken: token,
    core: ground.dialects.find(({ dialect }) => dialect === tiny)!.core,

    /** fetch as a user of the tiny dialect */
    as:
      (user: string) =>
      (path: string, init: RequestInit = {}) =>
        fetch(`${served.url}${path}`, { ...init, headers: { authorization: basic(user), ...init.headers } }),

    agent,

    /** An agent starts: claims what its lanes have room for, and reports. */
    async startAgent() {
      const operations = ["nodes.status", "volume.list"];
      const { epoch } = (await (await agent("start", { journal: "j", version: "t", operations })).json()) as {
        epoch: number;
      };
      await agent("heartbeat", { epoch, nodes: [], usage: {}, free: 1e12 });
      return {
        async claim(room: Record<string, number>, have: string[] = []): Promise<ClaimResponse> {
          return (await agent("claim", { epoch, turn: 1, room, have })).json() as Promise<ClaimResponse>;
        },
        async report({ user, id, lane }: ClaimedCommand) {
          const outcome = { state: "succeeded", result: { nodes: [] } };
          return (await agent("report", { epoch, user, command: id, lane, outcome })).status;
        },
      };
    },

    /** An access token of Perigee's own API and the EM's. */
    async token(user: string): Promise<string> {
      const body = new URLSearchParams({ username: user, password: PASSWORD });
      const answer = await fetch(`${served.url}/auth/`, { method: "POST", body });
      return ((await answer.json()) as { access: string }).access;
    },

    async stop() {
      await served.close(0);
      await ground.close();
      await rm(data, { recursive: true, force: true });
    },
  };
}

export function basic(user: string, password = PASSWORD): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}
