import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { em } from "#lambdas/dialects/em/dialect.ts";
import { kabuto } from "#lambdas/dialects/kabuto/dialect.ts";
import { openSession } from "#lambdas/dialects/kabuto/sessions.ts";
import { createEmbeddedGround, type EmbeddedOptions } from "#lambdas/embedded.ts";
import { serveGround } from "#lambdas/serve-ground.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { startScriptedAgent } from "./scripted-agent.ts";

export type KabutoGround = Awaited<ReturnType<typeof startKabutoGround>>;

/** A real embedded ground on a real server that speaks Kabuto, with one edge; registration is open. */
export async function startKabutoGround(
  options: Partial<EmbeddedOptions> & { settings?: Record<string, string> } = {},
) {
  const data = await mkdtemp(join(tmpdir(), "perigee-kabuto-"));
  const { settings, ...rest } = options;
  const ground = await createEmbeddedGround({
    data,
    passwordCost: QUICK_PASSWORDS,
    log: pino({ level: process.env.PERIGEE_LOG_LEVEL ?? "silent" }),
    dialects: [em, kabuto],
    settings: { PERIGEE_KABUTO_REGISTRATION: "open", ...settings },
    ...rest,
  });
  const served = await serveGround(ground, { host: "127.0.0.1", port: 0 });
  const { token } = await ground.accounts.addEdge("em1");
  let users = 0;
  const self = {
    ground,
    ...served,
    data,
    agentToken: token,
    agent: (options?: { operations: string[] }) => startScriptedAgent(served.url, token, options),

    /** A user of the operator's with a session, which costs one password hash. */
    async user() {
      const account = await ground.accounts.addUser(`user${++users}`, "long enough");
      return self.session(account.name);
    },

    /** A new session of a user. */
    async session(name: string) {
      const { core } = ground.dialects.find(({ dialect }) => dialect === kabuto)!;
      const account = (await core.users.stored(name))!;
      return client(served.url, `session=${await openSession(core, account)}`, "");
    },

    /** A user who registered and logged in. */
    async registered(login: string) {
      const body = new URLSearchParams({ login, password: "SecreT", email: `${login}@example.com` });
      const registered = await fetch(`${served.url}/register`, { method: "POST", body });
      const { token: confirmation } = (await registered.json()) as { token: string };
      const answer = await fetch(`${served.url}/login`, { method: "POST", body });
      return client(served.url, answer.headers.get("set-cookie")?.split(";", 1)[0] ?? "", confirmation);
    },

    async stop() {
      await served.close(0);
      await ground.close();
      await rm(data, { recursive: true, force: true });
    },
  };
  return self;
}

export type KabutoClient = ReturnType<typeof client>;

/** Who asks a ground with this cookie. */
export function client(url: string, cookie: string, confirmation = "") {
  const send = (path: string, init: RequestInit = {}) =>
    fetch(`${url}${path}`, { redirect: "manual", ...init, headers: { cookie, ...init.headers } });
  const json = async (path: string, init: RequestInit = {}): Promise<unknown> =>
    (await send(path, init)).json();
  const form = (fields: Record<string, string>) => new URLSearchParams(fields);
  return {
    cookie,
    confirmation,
    send,
    get: (path: string) => json(path) as Promise<Record<string, unknown>>,
    post: (path: string, fields: Record<string, string> = {}) =>
      json(path, { method: "POST", body: form(fields) }) as Promise<Record<string, unknown>>,
    put: (path: string, fields: Record<string, string> = {}) =>
      json(path, { method: "PUT", body: form(fields) }) as Promise<Record<string, unknown>>,
    delete: (path: string) => json(path, { method: "DELETE" }) as Promise<Record<string, unknown>>,
    upload: (
      path: string,
      fields: Record<string, string>,
      files: Record<string, string>,
      method = "POST",
    ) => {
      const body = new FormData();
      // files may come before the fields
      for (const [name, text] of Object.entries(files)) body.append("attachments", new Blob([text]), name);
      for (const [name, value] of Object.entries(fields)) body.append(name, value);
      return json(path, { method, body }) as Promise<Record<string, unknown>>;
    },

    /** An image that the agent has built. */
    async image(agent: { work(): Promise<unknown> }, name = "test"): Promise<number> {
      const { build_id } = await this.post("/image", { name, dockerfile: "FROM busybox\n" });
      await agent.work();
      const { id } = (await this.get(`/image/build/${build_id}`)) as { id: number };
      return id;
    },
  };
}
