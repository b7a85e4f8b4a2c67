import { measureAgainstCommit } from "./against-commit.ts";
import { type BenchStack, startBenchStack } from "./bench-stack.ts";
import { measureCliStart } from "./cli-start.ts";
import { measureCloudRoundTrip } from "./cloud-round-trip.ts";
import { measureFollowing } from "./console/following.ts";
import { measureLeftOpen } from "./console/left-open.ts";
import { measureLists } from "./console/lists.ts";
import { measureProgram } from "./console/program.ts";
import { measureDelta } from "./contact/delta.ts";
import { measureFirstCommand } from "./contact/first-command.ts";
import { measureGoodput } from "./contact/goodput.ts";
import { measureWindow } from "./contact/window.ts";
import { measureChecks } from "./fpga/checks.ts";
import { measureCloudRegistrations } from "./fpga/cloud-registrations.ts";
import { measureDelivery } from "./fpga/delivery.ts";
import { measureDetail } from "./fpga/detail.ts";
import { measureObjectPut } from "./fpga/object-put.ts";
import { measureRunStart } from "./fpga/run-start.ts";
import { measureBesideEm } from "./kabuto/beside-em.ts";
import { measureClusterJobs } from "./kabuto/cluster-jobs.ts";
import { measureLogs } from "./kabuto/logs.ts";
import { measureManyJobs } from "./kabuto/many-jobs.ts";
import { measureOneJob } from "./kabuto/one-job.ts";
import { measurePolls } from "./kabuto/polls.ts";
import { measureResults } from "./kabuto/results.ts";
import { measureKubernetes } from "./kubernetes.ts";
import { measureLambdaStart } from "./lambda-start/measure.ts";
import { measureLanes } from "./lanes/measure.ts";
import { measureListing } from "./listing.ts";
import { measurePodStart } from "./pod-start.ts";
import { measureClusterExecutions } from "./poseidon/cluster-executions.ts";
import { measureExecutions } from "./poseidon/executions.ts";
import { measureFiles } from "./poseidon/files.ts";
import { measureHandOuts } from "./poseidon/hand-outs.ts";
import { measureIdleRunners } from "./poseidon/idle-runners.ts";
import { measureKeystrokes } from "./poseidon/keystrokes.ts";
import { measurePools } from "./poseidon/pools.ts";
import { measureSoak } from "./poseidon/soak.ts";
import { measureRoundTrip } from "./round-trip.ts";
import { measureCloudSubmits, measureSubmits } from "./submits/measure.ts";
import { met, type Row, table } from "./table.ts";
import { measureBareMetal } from "./unik/bare-metal.ts";
import { measureCompile } from "./unik/compile.ts";
import { measureFollowed } from "./unik/followed.ts";
import { measureForwarded } from "./unik/forwarded.ts";
import { measureHub } from "./unik/hub.ts";
import { measureInstances } from "./unik/instances.ts";
import { measureLinuxMachine } from "./unik/linux-machine.ts";
import { measureSources } from "./unik/sources.ts";
import { measureStartStopped } from "./unik/start-stopped.ts";
import { measureUplink } from "./uplink.ts";
import { measureUplinks } from "./uplinks.ts";

/**
 * `npm run bench [-- NAME...]`: measures against a named peer on the same machine in the same run, and prints
 * a table. Exit code 1 when a goal is missed. Needs curl, rsync, zstd, xxhsum, zip, unzip, docker's client and about 5 GiB
 * below TMPDIR, `script` for keystrokes. BENCH_SCALE=0.05 makes the sizes of Kabuto's, Poseidon's and FPGA images' smaller, to
 * see that they work.
 */
const MEASURES: Record<string, (bench: BenchStack) => Promise<Row[]>> = {
  uplink: measureUplink,
  "round-trip": measureRoundTrip,
  "against-commit": measureAgainstCommit,
  "pod-start": measurePodStart,
  listing: measureListing,
  "kabuto-job": measureOneJob,
  "kabuto-jobs": measureManyJobs,
  "kabuto-results": measureResults,
  "kabuto-logs": measureLogs,
  "kabuto-polls": measurePolls,
  "kabuto-beside-em": measureBesideEm,
};
/** These bring up what they need by themselves. */
const ALONE: Record<string, () => Promise<Row[]>> = {
  uplinks: measureUplinks,
  "contact-goodput": measureGoodput,
  "contact-window": measureWindow,
  "contact-delta": measureDelta,
  "contact-first-command": measureFirstCommand,
  "console-program": measureProgram,
  "console-lists": measureLists,
  "console-log": measureFollowing,
  "console-open": measureLeftOpen,
  "cli-start": measureCliStart,
  "cloud-round-trip": measureCloudRoundTrip,
  kubernetes: measureKubernetes,
  "kubernetes-jobs": measureClusterJobs,
  "kubernetes-executions": measureClusterExecutions,
  "lambda-start": measureLambdaStart,
  lanes: measureLanes,
  submits: measureSubmits,
  "cloud-submits": measureCloudSubmits,
  "poseidon-executions": measureExecutions,
  "poseidon-hand-outs": measureHandOuts,
  "poseidon-pools": measurePools,
  "poseidon-files": measureFiles,
  "poseidon-keystrokes": measureKeystrokes,
  "poseidon-idle": measureIdleRunners,
  "poseidon-soak": measureSoak,
  "fpga-delivery": measureDelivery,
  "fpga-checks": measureChecks,
  "fpga-put": measureObjectPut,
  "fpga-detail": measureDetail,
  "fpga-run": measureRunStart,
  "fpga-cloud": measureCloudRegistrations,
  "unik-baremetal": measureBareMetal,
  "unik-start": measureStartStopped,
  "unik-sources": measureSources,
  "unik-instances": measureInstances,
  "unik-linux": measureLinuxMachine,
  "unik-compile": measureCompile,
  "unik-hub": measureHub,
  "unik-forwarded": measureForwarded,
  "unik-followed": measureFollowed,
};
/** Takes an hour, or needs the history: only when it is asked for by its name. */
const ASKED_FOR = ["poseidon-soak", "against-commit"];
const NAMES = [...Object.keys(MEASURES), ...Object.keys(ALONE)];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !NAMES.includes(name));
if (unknown.length > 0) {
  console.error(`There is no measure ${unknown.join(", ")}; there are ${NAMES.join(", ")}.`);
  process.exit(2);
}

const rows: Row[] = [];
let failed = false;
const usual = NAMES.filter((name) => !ASKED_FOR.includes(name));
for (const name of asked.length > 0 ? asked : usual) {
  console.error(`measuring ${name} …`);
  try {
    rows.push(...(await (ALONE[name]?.() ?? onStack(MEASURES[name]!))));
  } catch (error) {
    failed = true;
    console.error(`${name} could not be measured: ${(error as Error).message}`);
  }
}
console.log(table(rows));
process.exitCode = failed || !rows.every(met) ? 1 : 0;

/** A stack of its own for each, so that none finds what another left in memory. */
async function onStack(measure: (bench: BenchStack) => Promise<Row[]>): Promise<Row[]> {
  const bench = await startBenchStack();
  try {
    return await measure(bench);
  } finally {
    await bench.stop();
  }
}
