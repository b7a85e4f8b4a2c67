import { type BenchStack, startBenchStack } from "./bench-stack.ts";
import { measureCloudRoundTrip } from "./cloud-round-trip.ts";
import { measureListing } from "./listing.ts";
import { measurePodStart } from "./pod-start.ts";
import { measureRoundTrip } from "./round-trip.ts";
import { met, type Row, table } from "./table.ts";
import { measureUplink } from "./uplink.ts";
import { measureUplinks } from "./uplinks.ts";

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

/** Measures that bring all they need. */
const ALONE: Record<string, () => Promise<Row[]>> = {
  "cloud-round-trip": measureCloudRoundTrip,
  uplinks: measureUplinks,
};
const ALL = [...Object.keys(MEASURES), ...Object.keys(ALONE)];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !ALL.includes(name));
if (unknown.length > 0) {
  console.error(`There is no measure ${unknown.join(", ")}; there are ${ALL.join(", ")}.`);
  process.exit(2);
}

const rows: Row[] = [];
let failed = false;
for (const name of asked.length > 0 ? asked : ALL) {
  console.error(`measuring ${name} …`);
  if (name in ALONE) {
    rows.push(...(await ALONE[name]!().catch(unmeasured(name))));
    continue;
  }
  // A stack of its own for each, so that none finds what another left in memory
  const bench = await startBenchStack();
  try {
    rows.push(...(await MEASURES[name]!(bench)));
  } catch (error) {
    unmeasured(name)(error as Error);
  } finally {
    await bench.stop();
  }
}
console.log(table(rows));
process.exitCode = failed || !rows.every(met) ? 1 : 0;

function unmeasured(name: string): (error: Error) => Row[] {
  return (error) => {
    failed = true;
    console.error(`${name} could not be measured: ${error.message}`);
    return [];
  };
}
