import { once } from "node:events";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { MiB } from "#protocol/limits.ts";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { LONG as LONG_RUN, share } from "#test/support/long-run.ts";
import { watchMemory } from "../../bench/resident-memory.ts";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import { connectExec, refusal } from "./support/exec-client.ts";
import { type LiveProcesses, startLiveProcesses } from "./support/live-processes.ts";

/** What passes: had it been kept anywhere, that process would have grown by more than the bound. */
const SIZE = share(1024, 96) * MiB;
const BOUND = 32 * MiB;
/** What one session may have under way, in all buffers of all processes, the kernel's included. */
const UNDER_WAY = 24 * MiB;
const LONG = 540_000;

let of: LiveProcesses;
let runner: string;
beforeAll(async () => {
  of = await startLiveProcesses();
  runner = await of.runner();
  // what a process needs to have done this at all
  await (await execution(16 * MiB)).drained();
  await read(16 * MiB);
}, 300_000);
afterAll(() => of?.stop());

/** A program that writes so many letters, and whose PID is in a file. */
async function execution(bytes: number) {
  const command = `echo $$ > /tmp/pid; exec tr "\\\\0" a < <(head -c ${bytes} /dev/zero)`;
  const url = await of.client.execute(runner, { command });
  const socket = new WebSocket(url, { headers: { "Poseidon-Token": of.token } });
  let letters = 0;
  let pieces = 0;
  let restMs = 0;
  socket.on("message", (data) => {
    const { type, data: text } = JSON.parse(data.toString()) as { type: string; data: string };
    if (type === "stdout") letters += text.length;
    if (restMs === 0 || ++pieces % 64 !== 0) return;
    socket.pause();
    setTimeout(() => socket.resume(), restMs);
  });
  const closed = once(socket, "close");
  return {
    socket,
    /** Reads to the end, with a rest (ms) now and then. @returns letters that came */
    async drained(rest = 0): Promise<number> {
      restMs = rest;
      socket.resume();
      await closed;
      return letters;
    },
  };
}

async function read(bytes: number): Promise<number> {
  // in memory, and holes: on its layer a runner with so large a file has too much
  await of.client.run(runner, `truncate -s ${bytes} /dev/shm/zeros`);
  const headers = { "Poseidon-Token": of.token };
  const answer = await fetch(`${of.client.url}${runner}/files/raw?path=/dev/shm/zeros`, { headers });
  let read = 0;
  for await (const piece of answer.body!) read += piece.length;
  return read;
}

/** Bytes that the program has written. */
async function written(): Promise<number> {
  const { messages } = await of.client.run(runner, 'grep wchar "/proc/$(cat /tmp/pid)/io"');
  return Number(/wchar: (\d+)/.exec(JSON.stringify(messages))?.[1]);
}

const watch = () => ({ ground: watchMemory(of.pids.ground), agent: watchMemory(of.pids.agent) });

function expectFlat({ ground, agent }: ReturnType<typeof watch>): void {
  const grown = { ground: ground(), agent: agent() };
  if (LONG_RUN) console.log(expect.getState().currentTestName, grown);
  expect(grown.ground, `ground grew by ${grown.ground}`).toBeLessThan(BOUND);
  expect(grown.agent, `agent grew by ${grown.agent}`).toBeLessThan(BOUND);
}

describe("memory stays flat, of ground and agent", () => {
  test("output to a client that reads slowly", { timeout: LONG }, async () => {
    const memory = watch();
    const program = await execution(SIZE);
    expect(await program.drained(2)).toBe(SIZE);
    expectFlat(memory);
  });

  test("output to a client that stops holds its program back, and none is lost", {
    timeout: LONG,
  }, async () => {
    const memory = watch();
    const { socket, drained } = await execution(SIZE);
    await once(socket, "message");
    socket.pause();
    let before = -1;
    for (let now = await written(); now !== before; now = await written()) {
      before = now;
      await sleep(200);
    }
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(UNDER_WAY);
    expect(await drained()).toBe(SIZE);
    expectFlat(memory);
  });

  test("a large file", { timeout: LONG }, async () => {
    const memory = watch();
    expect(await read(SIZE)).toBe(SIZE);
    expectFlat(memory);
  });
});

describe("the EM API while 20 executions run", () => {
  test("does its work as ever, and nothing of them takes its lock", { timeout: LONG }, async () => {
    const bearer = await of.bearer();
    const em = async (path: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${bearer}` };
      const answer = await fetch(`${of.url}/em/${path}`, { ...init, headers });
      return { status: answer.status, text: await answer.text() };
    };
    const post = (path: string, fields: Record<string, string>) =>
      em(path, { method: "POST", body: new URLSearchParams(fields) });
    // of its own: a program that a busy machine does not end in time ends its runner
    const runners = [await of.runner(), await of.runner()];
    const executions = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const command = "echo began; while read -r line; do echo got $line; done";
        return of.client.connect(await of.client.execute(runners[n % 2]!, { command }));
      }),
    );
    await Promise.all(executions.map((one) => one.until((it) => it.text("stdout").includes("began"))));
    const files = new FormData();
    files.append("files", new Blob(["uplinked"]), "f.txt");
    expect((await em("files/uplink", { method: "POST", body: files })).status).toBe(200);
    expect((await em("files/list")).text).toContain("f.txt");
    expect(await em("files/downlink?filepath=f.txt")).toEqual({ status: 200, text: "uplinked" });
    const run = {
      image: BASE_IMAGE,
      node: "MPU",
      max_duration: "5",
      command: "sleep 600",
      pod_name: "beside",
    };
    expect((await post("pod/run", run)).status).toBe(200);
    expect((await em("pod/status?pod_name=beside")).status).toBe(200);
    expect((await post("pod/stop", { pod_name: "beside" })).status).toBe(200);
    expect((await post("files/delete", { filepath: "f.txt" })).status).toBe(200);
    // they ran all the while
    for (const [n, one] of executions.entries()) one.socket.send(`${n}\n`);
    await Promise.all(
      executions.map((one, n) => one.until((it) => it.text("stdout").includes(`got ${n}\r`))),
    );
    for (const one of executions) one.socket.terminate();
    await Promise.all(executions.map((one) => one.closed));
  });
});

describe("secrets", () => {
  /** What may be anywhere but with the user: each is found wherever it is. */
  const SECRET = {
    command: "secretcommand",
    value: "secretvalue",
    name: "SECRETNAME",
    input: "secretinput",
    output: "secretoutput",
    path: "secretpath",
    content: "secretcontent",
  };

  test("nothing of a session or its permits is in a log, a metric, a note, an error or a record", async () => {
    const { client, url, token, lines, data } = of;
    const bearer = await of.bearer();
    const tickets: string[] = [];
    const errors: string[] = [];
    const fetched = async (path: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${bearer}`, "content-type": "application/json" };
      const answer = await fetch(`${url}${path}`, { ...init, headers });
      return { status: answer.status, text: await answer.text() };
    };
    // an execution, whose output is made of two parts so that its command does not hold it
    const word = (text: string) => `${text.slice(0, 6)}"${text.slice(6)}"`;
    const command = `: ${SECRET.command}; read -r line; echo ${word(SECRET.output)}; exit 3`;
    const permit = await client.execute(runner, { command, environment: { [SECRET.name]: SECRET.value } });
    const execution = client.connect(permit);
    await execution.until(({ messages }) => messages.length > 0);
    execution.socket.send(`${SECRET.input}\n`);
    await execution.closed;
    expect(execution.text("stdout")).toContain(SECRET.output);
    expect(execution.end).toEqual({ type: "exit", data: 3 });
    // used, unknown, and with another's token
    const again = client.connect(permit);
    await again.closed;
    expect(again.refusal?.status).toBe(404);
    errors.push(again.refusal!.text);
    const unused = await client.execute(runner, { command: "true" });
    const stranger = new PoseidonClient(client.url, `pgp_${"A".repeat(43)}`).connect(unused);
    await stranger.closed;
    expect(stranger.refusal?.status).toBe(401);
    tickets.push(permit, unused);
    // files
    expect((await client.patch(runner, { [SECRET.path]: SECRET.content })).status).toBe(204);
    expect((await client.get(`${runner}/files`)).text).toContain(SECRET.path);
    expect((await client.get(`${runner}/files/raw?path=${SECRET.path}`)).text).toBe(SECRET.content);
    const failed = await client.patch(runner, { [`/proc/1/environ/${SECRET.path}`]: SECRET.content });
    expect(failed.status).toBe(500);
    const missing = await client.get(`${runner}/files/raw?path=/missing/${SECRET.path}`);
    expect(missing.status).toBe(424);
    errors.push(missing.text);
    // a user's own execution, whose program is not there
    const body = JSON.stringify({ command: [`/${SECRET.command}`], env: { [SECRET.name]: SECRET.value } });
    const permitted = await fetched(`${runner}/exec`, { method: "POST", body });
    expect(permitted.status).toBe(201);
    const live = (JSON.parse(permitted.text) as { url: string }).url;
    tickets.push(live);
    const own = await connectExec(live);
    await own.closed;
    expect(own.control.at(-1)).toMatchObject({ type: "error", code: "CANNOT_START" });
    const used = await refusal(live);
    expect(used.status).toBe(404);

    const secrets = [
      ...Object.values(SECRET),
      Buffer.from(SECRET.content).toString("base64"),
      token.slice(4),
      of.password,
      bearer,
      ...tickets.map((one) => new URL(one).search.split("=").at(-1)!),
    ];
    await expect.poll(async () => (await fetched("/sessions")).text).toContain("CANNOT_START");
    const sessions = (await fetched("/sessions")).text;
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const edge = (await fetched("/edge")).text;
    // the agent keeps its records to itself while it runs
    await of.end();
    const told = {
      logs: lines.join("\n"),
      metrics,
      sessions,
      edge,
      errors: errors.join("\n"),
      ground: everythingIn(join(data, "ledger.sqlite")),
      agent: everythingIn(join(data, "agent/agent.sqlite")),
    };
    for (const [where, text] of Object.entries(told)) {
      expect(text.length, where).toBeGreaterThan(0);
      for (const secret of secrets) expect(text.includes(secret), `${secret} in ${where}`).toBe(false);
    }
  });
});

/** All rows of all tables. */
function everythingIn(file: string): string {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    return tables
      .flatMap(({ name }) => database.prepare(`SELECT * FROM "${name}"`).all())
      .map((row) =>
        Object.values(row)
          .map((value) =>
            value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : String(value),
          )
          .join(" "),
      )
      .join("\n");
  } finally {
    database.close();
  }
}
