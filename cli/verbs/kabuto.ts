import { type Command, Option } from "commander";
import { ask } from "../kabuto/api.ts";
import { findJob, type Job, jobsOf, pathOf, placeOf, standing } from "../kabuto/job.ts";
import { type RunOptions, runJob } from "../kabuto/run-job.ts";
import { showLog } from "../kabuto/show-log.ts";
import { minutes, wholeNumber } from "../options.ts";
import { record } from "../output/table.ts";
import { bytes, fileCount, safe, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";

type JobsOptions = { pipeline?: number; state?: string };

/** `perigee kabuto …`: Kabuto's API, with the log-in that the other verbs use. */
export function registerKabuto(program: Command): void {
  const kabuto = program.command("kabuto").description("jobs with files, in pipelines: Kabuto's API");
  registerRunJob(kabuto);
  kabuto
    .command("jobs")
    .description("list your jobs, or show one")
    .argument("[job]", "id of a job", wholeNumber(1))
    .option("--pipeline <id>", "only those of this pipeline", wholeNumber(1))
    .addOption(
      new Option("--state <state>", "only those in this state").choices([
        "ready",
        "in_queue",
        "running",
        "done",
        "failed",
      ]),
    )
    .action(action<[number | undefined], JobsOptions>(jobs));
  kabuto
    .command("logs")
    .description("show what a job wrote")
    .argument("<job>", "id of a job", wholeNumber(1))
    .option("-f, --follow", "follow it until the job has ended")
    .action(
      action<[number], { follow?: boolean }>((session, [id], { follow }) =>
        showLog(session, id, follow === true),
      ),
    );
  kabuto
    .command("results")
    .description("fetch the results of a job and unpack them")
    .argument("<job>", "id of a job", wholeNumber(1))
    .option("-o, --output <path>", "new directory to unpack to, or file of the zip (default: results-JOB)")
    .option("--zip", "leave the zip as it is")
    .action(action<[number], { output?: string; zip?: boolean }>(results));
  for (const [verb, text] of [
    ["kill", "kill a running job at once"],
    [
      "cancel",
      "cancel a job: a queued one does not run, a running one is asked to end, and killed after 10 s",
    ],
  ] as const) {
    kabuto
      .command(verb)
      .description(text)
      .argument("<job>", "id of a job", wholeNumber(1))
      .action(action<[number], object>((session, [id]) => end(session, id, verb)));
  }
}

function registerRunJob(kabuto: Command): void {
  kabuto
    .command("run")
    .description("run a job to its end: build its image, follow its log, unpack its results")
    .argument(
      "<image>",
      "a Dockerfile; a directory with one, its context; or an image of yours by id or name",
    )
    .argument("[command...]", "after --: program and arguments, or one word with a command line")
    .option("--attach <files...>", "files and directories for /inbox; as in uplink")
    .option("--name <name>", "name of the image and the pipeline (default: of the Dockerfile's directory)")
    .option("--no-cache", "build without the engine's cache")
    .option("--max-duration <minutes>", "end it after so long (30, 90m, 2h; default: the ground's)", minutes)
    .addOption(
      new Option("--node <kind>", "kind of node to run it on (default: any)")
        .choices(["FPGA", "GPU", "MPU"])
        .argParser(String),
    )
    .option("-o, --output <directory>", "new directory for the results (default: results-JOB)")
    .option("--no-results", "leave the results on the ground")
    .option("--key <text>", "go on with the run that was begun under this key within a day, or begin it")
    .action(action<[string, string[]], RunOptions>(runJob));
}

async function jobs(
  { client, output }: Session,
  [id]: [number | undefined],
  { pipeline, state }: JobsOptions,
): Promise<undefined> {
  const patience = client.patience();
  if (id !== undefined) {
    const job = await findJob(client, id, patience);
    output.result({ message: "Job", data: job }, () => describe(job));
    return;
  }
  const all = await jobsOf(client, patience, pipeline);
  const shown = state === undefined ? all : all.filter((job) => job.state === state);
  output.result({ message: "Jobs", data: shown }, () => {
    if (shown.length === 0) return "No jobs";
    const rows = shown.map((job) => [
      job.id,
      job.pipeline.id,
      standing(job),
      job.image.id ?? "-",
      job.command ?? "-",
      time(job.submitted),
    ]);
    return output.table(["JOB", "PIPELINE", "STATE", "IMAGE", "COMMAND", "SUBMITTED"], rows, {
      right: [0, 1, 3],
      cut: [2, 4],
    });
  });
}

function describe(job: Job): string {
  const { result_size: size } = job;
  return record({
    job: job.id,
    pipeline: job.pipeline.id,
    image: job.image.id ?? "deleted",
    command: job.command ?? "the image's own",
    state: standing(job),
    runs: job.run,
    submitted: job.submitted && time(job.submitted),
    started: job.started && time(job.started),
    finished: job.finished && time(job.finished),
    used: `${job.used_cpu} s of CPU, ${job.used_memory} MiB of memory, ${job.used_io} MiB of I/O`,
    results: size === null || size === undefined ? undefined : bytes(size),
  });
}

async function results(
  session: Session,
  [id]: [number],
  { output: target, zip = false }: { output?: string; zip?: boolean },
): Promise<undefined> {
  const { client, output } = session;
  const place = placeOf(await findJob(client, id, client.patience()));
  const { fetchResults } = await import("../kabuto/fetch-results.ts");
  const found = await fetchResults(session, place, target ?? `results-${id}${zip ? ".zip" : ""}`, zip);
  output.result({ message: "Results", data: found }, () => {
    if (found.file) return `Wrote ${safe(found.file)}, ${bytes(found.bytes)}`;
    if (!found.directory) return "The job left no results";
    return `Unpacked ${fileCount(found.files)}, ${bytes(found.bytes)}, to ${safe(found.directory)}`;
  });
}

async function end({ client, output }: Session, id: number, verb: "kill" | "cancel"): Promise<undefined> {
  const patience = client.patience();
  const job = await findJob(client, id, patience);
  await ask(client, { method: "POST", path: `${pathOf(placeOf(job))}/${verb}` }, patience);
  const text =
    verb === "kill" ? `Job ${id} is killed as soon as its edge hears of it` : `Job ${id} is cancelled`;
  output.result({ message: "Success", data: { job: id } }, () => text);
}
