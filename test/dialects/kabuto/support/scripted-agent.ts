import { crc32 } from "node:zlib";
import type * as z from "zod";
import type { JobEnd } from "#protocol/job-run.ts";
import { inSpace } from "#protocol/names.ts";
import type { ClaimedCommand, ClaimResponse, transferResponse } from "#protocol/wire.ts";

export type ScriptedAgent = Awaited<ReturnType<typeof startScriptedAgent>>;
export type JobWork = {
  end?: Partial<JobEnd>;
  log?: string;
  zip?: Buffer;
};
type JobInput = { pod: string; space: string };

/** What it can do, unless the test says otherwise. */
const OPERATIONS = ["image.build", "image.delete", "job.run", "volume.list"];
/** URLs that are asked for at once. */
const MOST_URLS = 500;

/** The smallest zip: no entries. */
export const EMPTY_ZIP = Buffer.concat([Buffer.from("PK\x05\x06"), Buffer.alloc(18)]);

/** An agent that speaks to the ground over real HTTP; what it does is the test's. */
export async function startScriptedAgent(url: string, token: string, { operations = OPERATIONS } = {}) {
  const call = async (path: string, body: unknown, method = "POST") => {
    const answer = await fetch(`${url}/agent/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  };
  const features = ["build-sources", "build-options", "spaces", "lanes", "grants", "pod-mounts"];
  const { epoch } = (await call("start", { journal: "j", version: "t", operations, features })) as {
    epoch: number;
  };
  await call("heartbeat", { epoch, nodes: [], usage: {}, free: 1e12 });
  const have = new Map<string, ClaimedCommand>();
  let turn = 0;

  const agent = {
    have,
    async claim(room: Record<string, number> = { kabuto: 64, "kabuto-build": 1 }) {
      const request = { epoch, turn: ++turn, room, have: [...have.keys()] };
      const { resumed, commands } = (await call("claim", request)) as unknown as ClaimResponse;
      for (const command of [...resumed, ...commands]) have.set(command.id, command);
      return commands;
    },

    async report({ user, id, lane }: ClaimedCommand, outcome: unknown) {
      await call("report", { epoch, user, command: id, lane, outcome });
      have.delete(id);
    },

    /** What the ground answers to the progress of its commands. */
    async progress(command: ClaimedCommand, phase?: string, waitsFor?: string, startedAt?: number) {
      const { user, id } = command;
      const told = {
        user,
        command: id,
        ...(phase && { progress: { phase, ...(startedAt && { startedAt }) }, granted: true }),
        ...(waitsFor && { waitsFor: { resource: waitsFor } }),
      };
      return (await call("progress", { epoch, commands: [told] })) as { cancel: string[]; kill?: string[] };
    },

    /** Contents of the files that came with a command, by path. */
    async files({ user, id, manifest: at }: ClaimedCommand): Promise<Record<string, string>> {
      const textOf = async (at: string) => (await fetch(new URL(at, url))).text();
      const urls = async (get: (number | "manifest")[]) => {
        const answer = (await call("urls", { epoch, user, command: id, get })) as { get: string[] };
        return Promise.all(answer.get.map(textOf));
      };
      const manifest = at === undefined ? (await urls(["manifest"]))[0]! : await textOf(at);
      const files = JSON.parse(manifest) as { n: number; path: string }[];
      const texts: string[] = [];
      for (let at = 0; at < files.length; at += MOST_URLS) {
        texts.push(...(await urls(files.slice(at, at + MOST_URLS).map(({ n }) => n))));
      }
      return Object.fromEntries(files.map(({ path }, i) => [path, texts[i]!]));
    },

    async log(command: ClaimedCommand, text: string, seq = 0) {
      const { pod, space } = command.input as JobInput;
      const query = new URLSearchParams({
        epoch: String(epoch),
        user: command.user,
        pod: inSpace(pod, space),
        run: command.id,
        seq: String(seq),
      });
      await call(`logs?${query}`, Buffer.from(text), "PUT");
    },

    /** Ends a job as it may end. */
    async endJob(command: ClaimedCommand, work: JobWork = {}) {
      const { user, id } = command;
      if (work.log) await agent.log(command, work.log);
      const end: JobEnd = {
        state: "done",
        reason: "Completed",
        exitCode: 0,
        startedAt: 1_000,
        finishedAt: 2_000,
        used: { cpuMs: 1234, memoryBytes: 5 * 1024 ** 2, ioBytes: 1024 ** 2 / 2 },
        logBytes: 0,
        ...work.end,
      };
      let content: object | undefined;
      if (end.state === "done") {
        const zip = work.zip ?? EMPTY_ZIP;
        const object = { n: 0, transfer: `t${id.toLowerCase()}`, size: zip.length, named: true };
        const crc = crc32(zip).toString(16).padStart(8, "0");
        const asked = { epoch, user, command: id, ...object, crc32: crc };
        const begun = (await call("transfers", asked)) as z.infer<typeof transferResponse>;
        const { whole } = begun;
        const body = new Uint8Array(zip);
        const sent = await fetch(new URL(whole!.url, url), { method: "PUT", headers: whole!.headers, body });
        if (!sent.ok) throw new Error(`the zip: ${sent.status}`);
        content = begun.content;
      }
      await agent.report(command, { state: "succeeded", result: { ...end, ...(content && { content }) } });
    },

    /** All of a command's log. */
    async commandLog({ user, id }: ClaimedCommand, log: string[]) {
      const query = new URLSearchParams({ epoch: String(epoch), user, command: id, seq: "0", end: "1" });
      await call(`command-logs?${query}`, Buffer.from(log.map((line) => `${line}\n`).join("")), "PUT");
    },

    async endBuild(
      command: ClaimedCommand,
      log: string[],
      failure?: { code: string; message: string; data?: object },
    ) {
      await agent.commandLog(command, log);
      await agent.report(
        command,
        failure ? { state: "failed", failure } : { state: "succeeded", result: {} },
      );
    },

    /** Does whatever waits, each in the simplest way. @returns what it did */
    async work(): Promise<ClaimedCommand[]> {
      const all: ClaimedCommand[] = [];
      for (;;) {
        const commands = await agent.claim();
        if (commands.length === 0) return all;
        all.push(...commands);
        for (const command of commands) {
          if (command.operation === "image.build") await agent.endBuild(command, ["Step 1/1 : FROM busybox"]);
          else if (command.operation === "job.run") await agent.endJob(command);
          else await agent.report(command, { state: "succeeded", result: {} });
        }
      }
    },
  };
  return agent;
}
