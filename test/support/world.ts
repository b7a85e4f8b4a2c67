import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { GroundClient } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { HttpDoorbell } from "#agent/ground/http-doorbell.ts";
import { Journal } from "#agent/journal/journal.ts";
import { openStateDatabase } from "#agent/journal/state-database.ts";
import { AgentLoop, type AgentLoopOptions } from "#agent/loop/agent-loop.ts";
import type { OperationHandlers } from "#agent/operation.ts";
import { Heart } from "#agent/reporting/heart.ts";
import { OutgoingStore } from "#agent/transfers/outgoing-store.ts";
import { createEmbeddedGround, type EmbeddedOptions } from "#lambdas/embedded.ts";
import type { Ground } from "#lambdas/ground.ts";
import { serve } from "#lambdas/http/serve.ts";
import type { DoorbellListener } from "#protocol/doorbell.ts";
import { FEATURES } from "#protocol/older-agents.ts";
import { OPERATION_NAMES, OPERATIONS, type OperationName } from "#protocol/operations.ts";
import { QUICK_PASSWORDS } from "./quick-passwords.ts";

export { gate } from "./gate.ts";

export type World = Awaited<ReturnType<typeof makeWorld>>;

/** A ground with its real adapters on a free port, an edge or more, and users; agents are started by the test. */
export async function makeWorld(options: Partial<EmbeddedOptions> = {}) {
  const data = await mkdtemp(join(tmpdir(), "perigee-world-"));
  const log = pino({ level: process.env.PERIGEE_LOG_LEVEL ?? "silent" });
  const ground = await createEmbeddedGround({
    data: join(data, "ground"),
    log,
    passwordCost: QUICK_PASSWORDS,
    ...options,
  });
  return worldOn({ data, log, ground });
}

/** The same on any ground; closing the world closes the ground and removes `data`. */
export async function worldOn<G extends Ground & { close(): Promise<void> }>(parts: {
  data: string;
  log: Logger;
  ground: G;
  /** serves the agents, when it is not the same ground */
  agentGround?: Ground;
  /** how an agent hears rings (default: at the ground) */
  listen?: (edge: string) => DoorbellListener;
}) {
  const { data, log, ground, listen } = parts;
  const server = await serve(ground.app, { host: "127.0.0.1", port: 0 });
  const agentServer = parts.agentGround
    ? await serve(parts.agentGround.app, { host: "127.0.0.1", port: 0 })
    : server;
  const tokens = new Map<string, string>();
  const addEdge = async (id: string) => {
    tokens.set(id, (await ground.accounts.addEdge(id)).token);
  };
  await addEdge("em1");
  const agents: { stop(): Promise<void> }[] = [];

  const world = {
    url: server.url,
    /** of the ground that serves the agents */
    agentUrl: agentServer.url,
    data,
    ground,
    agentToken: tokens.get("em1")!,

    /** One more edge beside em1. */
    addEdge,

    /** Adds a user (by default of the only edge), logs in, returns a fetch with the token. */
    async user(name: string, edges?: string[]) {
      const password = randomBytes(12).toString("hex");
      await ground.accounts.addUser(name, password, edges && { edges });
      const answer = await fetch(`${server.url}/auth/`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ username: name, password }),
      });
      const { access } = (await answer.json()) as { access: string };
      return client(server.url, access);
    },

    /** Starts an agent with the given handlers; any other operation fails loudly. */
    async agent(
      handlers: Partial<OperationHandlers>,
      options: AgentLoopOptions & {
        /** default em1 */
        edge?: string;
        /** directory of its journal; default: one of its edge's own */
        state?: string;
        silentDoorbell?: boolean;
        /** beats on, as real agents do: for tests that may last longer than contact holds after the one beat at the start */
        beats?: boolean;
        /** where it finds the ground, if not at the ground's own address */
        url?: string;
        /** measures its link; else the link counts as fast and near, however slow this machine is at the moment */
        measuresLink?: boolean;
      } = {},
    ) {
      const {
        edge = "em1",
        state = `agent-${edge}`,
        silentDoorbell,
        beats = false,
        url = agentServer.url,
        measuresLink = false,
        ...loop
      } = options;
      const token = tokens.get(edge)!;
      const database = openStateDatabase(join(data, state));
      const journal = new Journal(database);
      const outgoing = new OutgoingStore(database, join(data, state, "outgoing"));
      outgoing.sweep();
      const groundClient = new GroundClient({ url, token });
      if (!measuresLink) Object.defineProperty(groundClient.link, "thin", { value: false });
      const bell = listen?.(edge) ?? new HttpDoorbell({ ground: url, token });
      const doorbell = silentDoorbell
        ? { wait: (ms: number, signal?: AbortSignal) => sleepUntil(ms, signal) }
        : bell;
      const session = new GroundSession(groundClient);
      await session.start({
        journal: journal.id,
        version: "test",
        operations: OPERATION_NAMES,
        features: Object.values(FEATURES),
      });
      const { epoch } = session;
      const beat = () => groundClient.heartbeat({ epoch, nodes: [], usage: {}, free: 1e12 });
      await beat();
      const heart = beats ? new Heart(async () => void (await beat()), log) : undefined;
      const all = Object.fromEntries(
        (Object.keys(OPERATIONS) as OperationName[]).map((name) => [
          name,
          () => Promise.reject(new Error(`the test did not expect ${name}`)),
        ]),
      );
      const agentLoop = new AgentLoop(
        {
          session,
          journal,
          handlers: { ...all, ...handlers } as unknown as OperationHandlers,
          doorbell,
          log,
          outgoing,
        },
        { graceMs: 0, ...loop },
      );
      const controller = new AbortController();
      const running = agentLoop.run(controller.signal);
      running.catch(() => undefined);
      const agent = {
        epoch,
        journal,
        ground: groundClient,
        beat,
        running,
        /** Forgets it as it is, in the middle of whatever: a machine that is gone. */
        abandon() {
          agents.splice(agents.indexOf(agent), 1);
          heart?.close();
          groundClient.close();
          if (database.isOpen) database.close();
        },
        async stop() {
          controller.abort();
          heart?.close();
          await running.catch(() => undefined);
          groundClient.close();
          if (database.isOpen) database.close();
        },
      };
      agents.push(agent);
      return agent;
    },

    async close() {
      for (const agent of agents) await agent.stop();
      await server.close(0);
      if (agentServer !== server) await agentServer.close(0);
      await ground.close();
      await rm(data, { recursive: true, force: true });
    },
  };
  return world;
}

export type UserClient = ReturnType<typeof client>;

function client(url: string, token: string) {
  return {
    token,
    /** fetch of a path with the user's token */
    fetch: (path: string, init: RequestInit = {}) =>
      fetch(`${url}${path}`, {
        ...init,
        headers: { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) },
      }),
    /** multipart uplink of `files` (name → content) */
    uplink(files: Record<string, string | Uint8Array>, fields: Record<string, string> = {}, headers = {}) {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      for (const [name, content] of Object.entries(files)) {
        form.append("files", new Blob([content as string]), name);
      }
      return this.fetch("/em/files/uplink", { method: "POST", body: form, headers });
    },
  };
}

function sleepUntil(ms: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve(false);
    };
    const timer = setTimeout(end, ms);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end);
  });
}
