import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { MiB } from "#protocol/limits.ts";
import type { Execution } from "#test/contract/poseidon/support/client.ts";
import { watchMemory } from "../resident-memory.ts";
import type { Row } from "../table.ts";
import { PoseidonBench } from "./stack.ts";

const SESSIONS = 64;
/** How many of them one runner has at once. */
const OF_RUNNER = 16;
/** How long (s) a session is open: the processor has rest between them. */
const OPEN_S = 20;
/** ms for what ends late: a closing socket, a spare that nobody took (a minute). */
const SETTLE_MS = 90_000;
/** Looks at descriptors, one a second: a request has a socket for a moment, what is left over is there at all of them. */
const LOOKS = 45;

/**
 * So many sessions at once, each for a while and then the next, for BENCH_SOAK_MINUTES (60): output, input, a time
 * limit that ends one, a client that goes away, files. Afterwards no socket, process or FIFO may be left that was not
 * there before.
 */
export async function measureSoak(): Promise<Row[]> {
  const minutes = Number(process.env.BENCH_SOAK_MINUTES || 60);
  if (!(minutes > 0)) throw new Error("BENCH_SOAK_MINUTES is a number above 0");
  const poseidon = await PoseidonBench.start();
  try {
    const id = await poseidon.pool(SESSIONS / OF_RUNNER);
    const runners: string[] = [];
    for (let n = 0; n < SESSIONS / OF_RUNNER; n++) runners.push(await poseidon.runner(id));
    await poseidon.idle(id, SESSIONS / OF_RUNNER);
    await Promise.all(runners.map((runner) => once(poseidon, runner, KINDS - 1)));
    await sleep(SETTLE_MS);
    const before = await left(poseidon, runners);
    const { ground, agent } = poseidon.bench.stack;
    const memory = { ground: watchMemory(ground.pid), agent: watchMemory(agent.pid) };
    const end = performance.now() + minutes * 60_000;
    let done = 0;
    let otherwise = 0;
    const one = async (n: number) => {
      await sleep((n / SESSIONS) * OPEN_S * 1000);
      for (let turn = n; performance.now() < end; turn++) {
        try {
          await once(poseidon, runners[n % runners.length]!, turn);
        } catch (error) {
          otherwise++;
          console.error(`${new Date().toISOString()} session ${n}, kind ${turn % KINDS}: ${error}`);
          // its token lasts for less than the soak may
          if (otherwise % 20 === 1) console.error(await failedSessions(poseidon).catch(String));
          // a runner that is gone refuses at once
          await sleep(OPEN_S * 1000);
        }
        done++;
      }
    };
    await Promise.all(Array.from({ length: SESSIONS }, (_, n) => one(n)));
    const grown = { ground: memory.ground(), agent: memory.agent() };
    await sleep(SETTLE_MS);
    const after = await left(poseidon, runners);
    const rows = Object.keys(before).map(
      (what): Row => ({
        what: `${done} sessions, ${SESSIONS} at once for ${minutes} min: ${what}`,
        ours: String(after[what]),
        peer: `before: ${before[what]}`,
        ratio: after[what]! / Math.max(1, before[what]!),
        goal: { atMost: 1 },
      }),
    );
    rows.unshift({
      what: `${done} sessions: ended otherwise than they must`,
      ours: String(otherwise),
      peer: "0",
      ratio: otherwise,
      goal: { atMost: 0 },
    });
    const memories = `+${(grown.ground / MiB).toFixed(0)} and +${(grown.agent / MiB).toFixed(0)} MiB`;
    return [...rows, { what: "memory of ground and agent meanwhile", ours: memories, peer: "", ratio: 0 }];
  } finally {
    await poseidon.stop();
  }
}

const KINDS = 5;

/** The sessions that ended with an error of late, as the ground tells them: with the code that a client never sees. */
async function failedSessions({ bench }: PoseidonBench): Promise<string> {
  const { data } = (await bench.get("/sessions")) as { data: { end: { type: string } | null }[] };
  const failed = data.filter(({ end }) => end?.type === "error");
  return failed.map((one) => JSON.stringify(one)).join("\n");
}

function expectEnd(execution: Execution, type: string, data?: number): void {
  const { end, refusal } = execution;
  if (end?.type === type && end.data === data) return;
  throw new Error(`an execution ended with ${JSON.stringify(end ?? refusal)}`);
}

async function once({ client }: PoseidonBench, runner: string, turn: number): Promise<void> {
  switch (turn % KINDS) {
    case 0: {
      expectEnd(await client.run(runner, `seq 20000; echo error >&2; sleep ${OPEN_S}`), "exit", 0);
      return;
    }
    case 1: {
      const execution = client.connect(
        await client.execute(runner, { command: "echo began; read -r line; echo $line" }),
      );
      await execution.until(({ messages }) => messages.length > 0);
      await sleep(OPEN_S * 1000);
      execution.socket.send("line\n");
      await execution.closed;
      expectEnd(execution, "exit", 0);
      return;
    }
    case 2:
      expectEnd(await client.run(runner, "sleep 600", { timeLimit: OPEN_S }), "timeout");
      return;
    case 3: {
      const execution = client.connect(await client.execute(runner, { command: "echo began; sleep 600" }));
      await execution.until((one) => one.text("stdout").includes("began"));
      await sleep(OPEN_S * 1000);
      execution.socket.terminate();
      await execution.closed;
      // it has its place among a user's and a runner's sessions until the ground has seen it go
      await sleep(1000);
      return;
    }
    default: {
      const answers = [
        await client.patch(runner, { "soak/file": "content" }),
        await client.get(`${runner}/files?recursive=true`),
      ];
      await sleep(OPEN_S * 1000);
      answers.push(await client.get(`${runner}/files/raw?path=soak/file`));
      const statuses = answers.map(({ status }) => status);
      if (statuses.some((status) => status >= 300)) throw new Error(`files: ${statuses}`);
    }
  }
}

/** What is open or runs, of both processes and in the runners. */
async function left(poseidon: PoseidonBench, runners: string[]): Promise<Record<string, number>> {
  const { ground, agent } = poseidon.bench.stack;
  // first: what follows opens sockets itself
  const open = { ground: new Stays(ground.pid), agent: new Stays(agent.pid) };
  for (let look = 0; look < LOOKS; look++) {
    for (const process of Object.values(open)) process.look();
    await sleep(1000);
  }
  let processes = 0;
  for (const runner of runners) {
    const { Processes } = await poseidon.containerOf(runner).top();
    processes += Processes.length;
  }
  let fifos = 0;
  for (const runner of runners) {
    const { messages } = await poseidon.client.run(runner, "find / -xdev -type p -not -path /proc/* | wc -l");
    fifos += Number(/\d+/.exec(JSON.stringify(messages.filter(({ type }) => type === "stdout")))?.[0] ?? 0);
  }
  return {
    "descriptors of the ground": open.ground.count(),
    "descriptors of the agent": open.agent.count(),
    "processes in the runners": processes,
    "FIFOs in the runners": fifos,
  };
}

/** The descriptors of a process that are open at every look. */
class Stays {
  readonly #pid: number;
  #open: Map<string, string> | undefined;

  constructor(pid: number) {
    this.#pid = pid;
  }

  look(): void {
    const now = new Map<string, string>();
    for (const fd of readdirSync(`/proc/${this.#pid}/fd`)) {
      const to = linkOf(`/proc/${this.#pid}/fd/${fd}`);
      if (to !== undefined) now.set(fd, to);
    }
    const before = this.#open;
    this.#open = before ? new Map([...now].filter(([fd, to]) => before.get(fd) === to)) : now;
  }

  /** Their number; their kinds are written to stderr. */
  count(): number {
    const links = [...(this.#open ?? new Map<string, string>()).values()];
    const kinds = Map.groupBy(links, (to) => to.replace(/:\[\d+\]$/, ""));
    const told = [...kinds].map(([kind, some]) => `${kind} ${some.length}`);
    console.error(`descriptors of process ${this.#pid}: ${told.join(", ")}`);
    return links.length;
  }
}

/** What a descriptor is of, with the number of a socket or pipe; undefined: it was closed meanwhile. */
function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(fd);
  } catch {
    return undefined;
  }
}
