import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import { unik } from "#lambdas/dialects/unik/dialect.ts";
import { downlinkKey } from "#lambdas/dispatch/staging-keys.ts";
import { createEmbeddedGround } from "#lambdas/embedded.ts";
import type { OpenForeignBucket } from "#lambdas/ports/foreign-buckets.ts";
import { serveGround } from "#lambdas/serve-ground.ts";
import type { EdgeOffer } from "#protocol/edge-offer.ts";
import { FEATURES } from "#protocol/older-agents.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";
import type { ClaimedCommand, ClaimResponse, Outcome, PodReport } from "#protocol/wire.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";

export const PASSWORD = "correct horse: a%20b";

export type Answer = { status: number; headers: http.IncomingHttpHeaders; text: string };
export type Sent = { headers?: Record<string, string>; body?: string | Uint8Array };
export type PlayedAgent = Awaited<ReturnType<UnikGround["startAgent"]>>;
export type UnikGround = Awaited<ReturnType<typeof startUnikGround>>;

export const basic = (name: string, password: string) =>
  `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;

/** What the played edge can do, unless a test says otherwise. */
export const OFFER: EdgeOffer = {
  providers: ["qemu", "docker"],
  compilers: [
    { name: "docker-native-docker", description: "\nHOW TO PREPARE APPLICATION\t\nA Dockerfile.\n" },
    { name: "docker-c-docker", description: "\nHOW TO PREPARE APPLICATION\t\nC.\n", missing: "no C image" },
    { name: "baremetal-c-qemu", description: "\nHOW TO PREPARE APPLICATION\t\nC.\n" },
  ],
  instanceMemoryBytes: 1024 * 1024 * 1024,
};

/** A real ground on a real server that speaks UniK's API alone; users `ada` and `bob`, one edge; an agent that is played. */
export async function startUnikGround({
  port,
  quota,
  settings,
  foreignBuckets,
  before,
}: {
  port?: number;
  quota?: number;
  /** the operator's, by variable */
  settings?: Record<string, string>;
  foreignBuckets?: OpenForeignBucket;
  /** of a ground that was stopped with `keep` */
  before?: { data: string; agentToken: string };
} = {}) {
  const data = before?.data ?? (await mkdtemp(join(tmpdir(), "perigee-unik-")));
  const lines: string[] = [];
  let clock: number | undefined;
  const ground = await createEmbeddedGround({
    data,
    passwordCost: QUICK_PASSWORDS,
    log: pino({ level: "error" }, { write: (line: string) => void lines.push(line) }),
    dialects: [unik],
    settings: { ...settings, ...(port !== undefined && { PERIGEE_UNIK_PORT: String(port) }) },
    ...(foreignBuckets && { foreignBuckets }),
    ...(quota !== undefined && { quota }),
    now: () => clock ?? Date.now(),
  });
  const served = await serveGround(ground, { host: "127.0.0.1", port: 0 });
  const agentToken = before?.agentToken ?? (await ground.accounts.addEdge("em1")).token;
  const { core } = ground.dialects[0]!;
  if (before === undefined) for (const name of ["ada", "bob"]) await ground.accounts.addUser(name, PASSWORD);
  const token = async (user: string) =>
    (await core.users.accessToken((await ground.accounts.getUser(user))!)).token;

  /** Sends the target as it is given. */
  const send = (method: string, target: string, { headers = {}, body }: Sent = {}, at = served.url) =>
    new Promise<Answer>((resolve, reject) => {
      const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
      const request = http.request({
        host: "127.0.0.1",
        port: new URL(at).port,
        method,
        path: target,
        headers: { ...length, ...headers },
      });
      request.once("error", reject);
      request.once("response", (response) => {
        const { statusCode: status = 0, headers } = response;
        text(response).then((body) => resolve({ status, headers, text: body }), reject);
      });
      request.end(body);
    });
  const as =
    (user: string) =>
    (method: string, target: string, sent: Sent = {}) =>
      send(method, target, { ...sent, headers: { authorization: basic(user, PASSWORD), ...sent.headers } });
  const agent = async (path: string, body: unknown) => {
    const headers = { authorization: `Bearer ${agentToken}`, "content-type": "application/json" };
    const answer = await send("POST", `/agent/${path}`, { headers, body: JSON.stringify(body) });
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`);
    return answer.text === "" ? undefined : JSON.parse(answer.text);
  };

  return {
    ground,
    core,
    url: served.url,
    ownUrl: served.listeners.unik,
    lines,
    send,
    as,
    ada: as("ada"),
    bob: as("bob"),
    token,
    setClock(ms: number | undefined) {
      clock = ms;
    },

    /** An agent that tells what its edge can do, claims, and reports what the test says. */
    async startAgent(offer: EdgeOffer = OFFER) {
      const { epoch } = await agent("start", {
        journal: "j",
        version: "t",
        operations: OPERATION_NAMES,
        features: Object.values(FEATURES),
      });
      const beat = () => agent("heartbeat", { epoch, nodes: [], usage: {}, free: 1e12 });
      await beat();
      await agent("offer", { epoch, offer });
      let turn = 0;
      return {
        beat,
        offer: (told: EdgeOffer) => agent("offer", { epoch, offer: told }),
        async claim(): Promise<ClaimedCommand[]> {
          const claimed = await agent("claim", { epoch, turn: ++turn, room: { unik: 8 }, have: [] });
          return (claimed as ClaimResponse).commands;
        },
        report: ({ user, id, lane }: ClaimedCommand, outcome: Outcome) =>
          agent("report", { epoch, user, command: id, lane, outcome }),
        /** Puts content of a command into staging. */
        stage: ({ user, id }: ClaimedCommand, content: Uint8Array) =>
          core.staging.put(downlinkKey({ user, id, epoch }, 0), content, { maxBytes: content.length }),
        pods: (pods: PodReport[]) => agent("pods", { epoch, pods }),
        volumes: (user: string, volumes: { name: string; size: number; created: number }[]) =>
          agent("inventory", { epoch, user, images: [], volumes, truncated: false }),
      };
    },

    data,
    agentToken,

    async stop({ keep = false } = {}) {
      await served.close(0);
      await ground.close();
      if (!keep) await rm(data, { recursive: true, force: true });
    },
  };
}
