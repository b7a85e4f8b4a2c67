import { scaled } from "../scale.ts";
import { startBareServer } from "../start-bare-server.ts";
import { median, type Row } from "../table.ts";
import { PoseidonBench, time } from "./stack.ts";

const RUNNERS = scaled(48);
const CALLERS = 16;

/**
 * `POST /runners` against a bare Hono route with one durable SQLite commit, in turns, of a pool that there is no room to
 * fill again: so that nothing else goes on. Then all of such a pool by 16 callers at once.
 */
export async function measureHandOuts(): Promise<Row[]> {
  const poseidon = await PoseidonBench.start({ max: RUNNERS });
  const bare = await startBareServer(poseidon.bench.scratch);
  const commit = async () => {
    await (await fetch(`${bare.url}/commit`)).json();
  };
  try {
    const id = await poseidon.pool(RUNNERS);
    const ours: number[] = [];
    const peer: number[] = [];
    for (let round = 0; round < RUNNERS; round++) {
      const took = await time(() => poseidon.runner(id));
      const against = await time(commit);
      // the first warms both
      if (round === 0) continue;
      ours.push(took);
      peer.push(against);
    }
    await poseidon.pool(RUNNERS, id);
    const took = await time(() => inTurns(RUNNERS, () => poseidon.runner(id)));
    const against = await time(() => inTurns(RUNNERS, commit));
    const rate = (ms: number) => `${((RUNNERS / ms) * 1000).toFixed(0)} a second`;
    return [
      {
        what: "POST /runners, p50",
        ours: `${median(ours).toFixed(1)} ms`,
        peer: `Hono and one durable SQLite commit: ${median(peer).toFixed(1)} ms`,
        ratio: median(ours) / median(peer),
        goal: { below: 3 },
      },
      {
        what: `hand-outs, ${CALLERS} callers at once`,
        ours: rate(took),
        peer: `the same route: ${rate(against)}`,
        ratio: against / took,
      },
    ];
  } finally {
    await bare.child.stop(2_000);
    await poseidon.stop();
  }
}

/** So many calls by {@link CALLERS} at a time. */
async function inTurns(calls: number, call: () => Promise<unknown>): Promise<void> {
  let left = calls;
  const caller = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}
