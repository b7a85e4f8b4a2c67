import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import { serveBareAnswer } from "../bare-answer.ts";
import type { BenchStack } from "../bench-stack.ts";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { time, UnikBench } from "./client.ts";
import { onUnikStack } from "./on-stack.ts";
import { inTurns } from "./turns.ts";

const INSTANCES = scaled(200);
const AT_ONCE = 4;
const CALLS = scaled(200);
const WARM = 20;
const COMPILER = "docker-native-docker";

/** The list of many instances, against a bare route that gives the same bytes after one read. */
export function measureInstances(): Promise<Row[]> {
  return onUnikStack(measure);
}

async function measure(bench: BenchStack): Promise<Row[]> {
  const unik = await UnikBench.open(bench, COMPILER);
  await unik.image("short", COMPILER, { Dockerfile: `FROM ${BASE_IMAGE}\nCMD ["true"]\n` });
  let left = INSTANCES;
  const runs = Array.from({ length: AT_ONCE }, async () => {
    // of those that run there are 16 at most
    while (left-- > 0) await unik.get(`instances/${await unik.run("short")}/logs?follow=true`);
  });
  await Promise.all(runs);
  const { text } = await unik.get("instances");
  if (JSON.parse(text).length !== INSTANCES) throw new Error(`not ${INSTANCES} instances: ${text}`);
  const { url, headers } = bench;
  const bare = await serveBareAnswer(bench.scratch, text);
  const ask = (at: string) => time(async () => void (await (await fetch(at, { headers })).text()));
  const ours = () => ask(`${url}/unik/instances`);
  const peer = () => ask(bare.url);
  await inTurns(WARM, ours, peer);
  const p50 = await inTurns(CALLS, ours, peer).finally(() => bare.close());
  return [
    {
      what: `GET /instances, ${INSTANCES} of them, p50`,
      ours: `${p50.ours.toFixed(2)} ms`,
      peer: `Hono and one read, the same bytes: ${p50.peer.toFixed(2)} ms`,
      ratio: p50.ratio,
      goal: { below: 3 },
    },
  ];
}
