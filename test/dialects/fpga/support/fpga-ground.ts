import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { fpga } from "#lambdas/dialects/fpga/dialect.ts";
import { partsOf } from "#lambdas/dialects/fpga/parts.ts";
import { projectOf } from "#lambdas/dialects/fpga/project.ts";
import { createEmbeddedGround } from "#lambdas/embedded.ts";
import type { TlsOptions } from "#lambdas/http/tls-files.ts";
import { serveGround } from "#lambdas/serve-ground.ts";
import { FEATURES } from "#protocol/older-agents.ts";
import type { ClaimedCommand, ClaimResponse, Outcome } from "#protocol/wire.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";

export const PASSWORD = "correct horse";

export type Answer = { status: number; headers: http.IncomingHttpHeaders; text: string };
export type Sent = { headers?: Record<string, string>; body?: string | Uint8Array };
export type PlayedAgent = {
  epoch: number;
  /** @param room of lanes (default two places of this dialect's) */
  claim(room?: Record<string, number>): Promise<ClaimedCommand[]>;
  /** as an agent that holds nothing: what was claimed and has not ended comes again, before what is new */
  claimAgain(): Promise<ClaimedCommand[]>;
  report(command: ClaimedCommand, outcome: Outcome): Promise<number>;
};
export type FpgaGround = Awaited<ReturnType<typeof startFpgaGround>>;

export type FpgaGroundOptions = {
  /** bytes of a user */
  quota?: number;
  /** bytes that stay free on the disk */
  freeFloorBytes?: number;
  /** of the object store (default: there is none) */
  obsPort?: number;
  /** every listener speaks HTTPS: `send` is of no use then */
  tls?: TlsOptions;
  publicHosts?: string[];
  /** beside this one (default none) */
  dialects?: readonly Dialect[];
};

/** A real ground on a real server that speaks the API for FPGA images alone; users `ada` and `bob`, one edge. */
export async function startFpgaGround(options: FpgaGroundOptions = {}) {
  const { quota, freeFloorBytes, obsPort, tls, publicHosts, dialects = [] } = options;
  const data = await mkdtemp(join(tmpdir(), "perigee-fpga-"));
  const lines: string[] = [];
  let clock: number | undefined;
  const ground = await createEmbeddedGround({
    data,
    passwordCost: QUICK_PASSWORDS,
    log: pino({ level: "error" }, { write: (line: string) => void lines.push(line) }),
    dialects: [fpga, ...dialects],
    ...(quota !== undefined && { quota }),
    ...(freeFloorBytes !== undefined && { freeFloorBytes }),
    ...(publicHosts && { publicHosts }),
    ...(obsPort !== undefined && { settings: { PERIGEE_OBS_PORT: String(obsPort) } }),
    now: () => clock ?? Date.now(),
  });
  const served = await serveGround(ground, { host: "127.0.0.1", port: 0, ...(tls && { tls }) });
  const { token: agentToken } = await ground.accounts.addEdge("em1");
  const { core } = ground.dialects[0]!;
  const parts = partsOf(core);
  const projects = new Map<string, ReturnType<typeof projectOf>>();
  const tokens = new Map<string, string>();
  for (const name of ["ada", "bob"]) {
    const account = await ground.accounts.addUser(name, PASSWORD);
    projects.set(name, projectOf(account, "em1"));
    tokens.set(name, (await core.users.accessToken(account)).token);
  }
  const project = (user = "ada") => projects.get(user)!;
  const base = (user = "ada") => `/v1/${project(user).id}/cloudservers/fpga_image`;
  const { port } = new URL(served.url);

  /** Sends the target as it is given. */
  const send = (method: string, target: string, { headers = {}, body }: Sent = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
      const request = http.request({
        host: "127.0.0.1",
        port,
        method,
        path: target,
        headers: { ...length, ...headers },
      });
      request.once("error", reject);
      request.once("response", async (response) => {
        const { statusCode: status = 0, headers } = response;
        text(response).then((body) => resolve({ status, headers, text: body }), reject);
      });
      request.end(body);
    });
  const as =
    (user: string) =>
    (method: string, target: string, sent: Sent = {}) =>
      send(method, target, { ...sent, headers: { "x-auth-token": tokens.get(user)!, ...sent.headers } });
  const ada = as("ada");
  const agent = async (path: string, body: unknown) => {
    const headers = { authorization: `Bearer ${agentToken}`, "content-type": "application/json" };
    const answer = await send("POST", `/agent/${path}`, { headers, body: JSON.stringify(body) });
    return { status: answer.status, json: answer.text === "" ? undefined : JSON.parse(answer.text) };
  };

  return {
    ground,
    core,
    parts,
    project,
    base,
    port: Number(port),
    url: served.url,
    objectStore: served.listeners["object store"],
    agentToken,
    data,
    lines,
    send,
    as,
    ada,
    token: (user: string) => tokens.get(user)!,
    setClock(ms: number | undefined) {
      clock = ms;
    },
    put: (bucket: string, key: string, bytes: Uint8Array, user = "ada") =>
      parts.objects.put({ owner: project(user).uid, bucket, key }, bytes, { maxBytes: 1e9 }),

    /** Registers an image. @returns its id */
    async register(fields: object = {}, user = "ada"): Promise<string> {
      const body = JSON.stringify({
        fpga_image: { location: "obs-fpga:fpga.bin", name: "n", metadata: {}, ...fields },
      });
      const answer = await as(user)("POST", base(user), { body });
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
      return (JSON.parse(answer.text) as { fpga_image: { id: string } }).fpga_image.id;
    },
    /** Every file that was registered before has been checked. */
    checked: () => parts.work.round(),
    /** An image that is active: the agent has stored its file. */
    async active(agent: PlayedAgent, fields: object = {}, user = "ada"): Promise<string> {
      const id = await this.register(fields, user);
      await parts.work.round();
      for (const command of await agent.claim()) {
        const { sha256, bytes } = command.input as { sha256: string; bytes: number };
        await agent.report(command, { state: "succeeded", result: { sha256, bytes } });
      }
      return id;
    },
    async detail(id: string, user = "ada") {
      const { text } = await as(user)("GET", `${base(user)}/detail?fpga_image_id=${id}`);
      return (JSON.parse(text) as { fpgaimages: Record<string, unknown>[] }).fpgaimages[0];
    },

    /** Says something else as the agent does. */
    tell: agent,

    /** An agent that knows these operations: claims, and reports what the test says. */
    async startAgent(operations = ["fpga.store", "fpga.delete"]): Promise<PlayedAgent> {
      const { json } = await agent("start", {
        ...{ journal: "j", version: "t", operations, features: Object.values(FEATURES) },
      });
      const { epoch } = json as { epoch: number };
      await agent("heartbeat", { epoch, nodes: [], usage: {}, free: 1e12 });
      let turn = 0;
      const claim = async (room: Record<string, number> = { fpga: 2 }) => {
        const { json } = await agent("claim", { epoch, turn: ++turn, room, have: [] });
        return json as ClaimResponse;
      };
      return {
        epoch,
        claim: async (room) => (await claim(room)).commands,
        async claimAgain() {
          const { resumed, commands } = await claim();
          return [...resumed, ...commands];
        },
        async report({ user, id, lane }: ClaimedCommand, outcome: Outcome) {
          return (await agent("report", { epoch, user, command: id, lane, outcome })).status;
        },
      };
    },

    async stop() {
      await served.close(0);
      await ground.close();
      await rm(data, { recursive: true, force: true });
    },
  };
}
