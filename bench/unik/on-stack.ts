import { type BenchOptions, type BenchStack, startBenchStack } from "../bench-stack.ts";
import type { Row } from "../table.ts";

/** Measures on a ground with UniK's API and an agent, which end with it. */
export async function onUnikStack(
  measure: (bench: BenchStack) => Promise<Row[]>,
  options?: BenchOptions,
): Promise<Row[]> {
  const bench = await startBenchStack({ PERIGEE_DIALECTS: "em,unik" }, options);
  try {
    return await measure(bench);
  } finally {
    await bench.stop();
  }
}
