import { type BenchStack, startBenchStack } from "./bench-stack.ts";
import { measureKubernetes } from "./kubernetes.ts";
import { measureListing } from "./listing.ts";
import { measurePodStart } from "./pod-start.ts";
import { measureRoundTrip } from "./round-trip.ts";
import { met, type Row, table } from "./table.ts";
import { measureUplink } from "./uplink.ts";

/**
 * `npm run bench [-- NAME...]`: measures against a named peer on the same machine in the same run, and prints
 * a table. Exit code 1 when a goal is missed. Needs curl, xxhsum and about 5 GiB below TMPDIR.
 */
const MEASURES: Record<string, (bench: BenchStack) => Promise<Row[]>> = {
  uplink: measureUplink,
  "round-trip": measureRoundTrip,
  "pod-start": measurePodStart,
  listing: measureListing,
};

/** Measured only when they are asked for by name, on a deployment of their own. */
const APART: Record<string, () => Promise<Row[]>> = { kubernetes: measureKubernetes };

const asked = process.argv.slice(2);
const known = [...Object.keys(MEASURES), ...Object.keys(APART)];
const unknown = asked.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`There is no measure ${unknown.join(", ")}; there are ${known.join(", ")}.`);
  process.exit(2);
}

const rows: Row[] = [];
let failed = false;
for (const name of asked.length > 0 ? asked : Object.keys(MEASURES)) {
  console.error(`measuring ${name} …`);
  const apart = APART[name];
  if (apart) {
    try {
      rows.push(...(await apart()));
    } catch (error) {
      failed = true;
      console.error(`${name} could not be measured: ${(error as Error).message}`);
    }
    continue;
  }
  // A stack of its own for each, so that none finds what another left in memory
  const bench = await startBenchStack();
  try {
    rows.push(...(await MEASURES[name]!(bench)));
  } catch (error) {
    failed = true;
    console.error(`${name} could not be measured: ${(error as Error).message}`);
  } finally {
    await bench.stop();
  }
}
console.log(table(rows));
process.exitCode = failed || !rows.every(met) ? 1 : 0;
