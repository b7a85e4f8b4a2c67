/** A request, by numbers that may name nothing. */
export type ObjectAct =
  | { kind: "make pipeline"; name: string }
  | { kind: "rename"; pipeline: number; name: string }
  | { kind: "delete pipeline"; pipeline: number }
  | { kind: "make job"; pipeline: number; command: string; files: Files }
  | { kind: "change job"; pipeline: number; job: number; command: string; files: Files }
  | { kind: "delete job"; pipeline: number; job: number }
  | { kind: "remove"; pipeline: number; jobs: readonly number[] }
  | { kind: "rearrange"; pipeline: number; jobs: readonly number[] }
  | { kind: "submit"; pipeline: number }
  | { kind: "cancel"; pipeline: number };

/** Texts by their paths. */
export type Files = Readonly<Record<string, string>>;
export type Answer = Record<string, unknown>;

type Job = {
  pipeline: number;
  command: string | null;
  files: Files;
  state: "ready" | "in_queue" | "running" | "failed";
  /** the edge has it */
  claimed: boolean;
};

const rights = (what: string, verb = "update") => ({
  error: `You either don't have the rights to ${verb} this ${what}, or it does not exist`,
});

/** What a user's pipelines, jobs and attachments are after some requests, and what these are answered. */
export class ObjectsModel {
  readonly pipelines = new Map<number, { name: string; jobs: number[] }>();
  readonly jobs = new Map<number, Job>();
  /** ids that come next: never one that was */
  next: { pipeline: number; job: number };

  constructor(next: { pipeline: number; job: number }) {
    this.next = { ...next };
  }

  copy(): ObjectsModel {
    const copy = new ObjectsModel(this.next);
    for (const [id, pipeline] of this.pipelines) copy.pipelines.set(id, structuredClone(pipeline));
    for (const [id, job] of this.jobs) copy.jobs.set(id, structuredClone(job));
    return copy;
  }

  /** What `GET /pipeline` and `GET /jobs` show of it. */
  shown() {
    const pipelines = [...this.pipelines].map(([id, { name, jobs }]) => [id, name, jobs]);
    const jobs = [...this.jobs].map(([id, { pipeline, command, state }]) => [id, pipeline, command, state]);
    return { pipelines, jobs: jobs.sort((a, b) => Number(a[0]) - Number(b[0])) };
  }

  /** Contents of all attachments. */
  contents(): string[] {
    return [...this.jobs.values()].flatMap(({ files }) => Object.values(files)).sort();
  }

  /** The edge takes what waits, in the order of each pipeline. */
  claim(): void {
    for (const job of this.jobs.values()) if (job.state === "in_queue") job.claimed = true;
  }

  /** What the edge has runs. */
  begin(): void {
    for (const job of this.jobs.values()) if (job.claimed) job.state = "running";
  }

  /** What the edge has ends. */
  finish(): void {
    for (const job of this.jobs.values())
      if (job.claimed) Object.assign(job, { claimed: false, state: "failed" });
  }

  /** Does it all in one step? */
  isOneStep(act: ObjectAct): boolean {
    const many = "pipeline" in act ? (this.pipelines.get(act.pipeline)?.jobs.length ?? 0) > 5 : false;
    return !many && !(["cancel", "rename"] as string[]).includes(act.kind);
  }

  apply(act: ObjectAct): Answer {
    if (act.kind === "make pipeline") {
      const id = this.next.pipeline++;
      this.pipelines.set(id, { name: act.name, jobs: [] });
      return { id };
    }
    const pipeline = this.pipelines.get(act.pipeline);
    switch (act.kind) {
      case "rename":
        if (!pipeline) return rights("image");
        pipeline.name = act.name;
        return { name: "Successfully updated name" };
      case "delete pipeline":
        if (!pipeline) return rights("pipeline");
        if (pipeline.jobs.some((id) => this.#isBusy(id))) {
          return { error: "Cannot delete a pipeline while its jobs are queued or running" };
        }
        for (const id of pipeline.jobs) this.jobs.delete(id);
        this.pipelines.delete(act.pipeline);
        return { status: "Successfully deleted the pipeline" };
      case "make job": {
        if (!pipeline) return { error: "Pipeline not found" };
        const conflict = conflictOf(act.files);
        if (conflict) return conflict;
        const id = this.next.job++;
        const { command, files } = act;
        const job = { pipeline: act.pipeline, files, state: "ready", claimed: false } as const;
        this.jobs.set(id, { ...job, command: command || null });
        pipeline.jobs.push(id);
        return { id };
      }
      case "change job": {
        const job = this.#jobOf(act);
        if (!job) return rights("job");
        if (this.#isBusy(act.job)) return { error: "Cannot update a job that is queued or running" };
        const files = { ...job.files, ...act.files };
        const conflict = conflictOf(files);
        if (conflict) return conflict;
        Object.assign(job, { files, ...(act.command && { command: act.command }) });
        return { id: act.job };
      }
      case "delete job": {
        const job = this.#jobOf(act);
        if (!job) return rights("job", "delete");
        if (job.state === "in_queue") return { error: "Cannot delete jobs in queue, try again later" };
        this.#drop([act.job]);
        return { message: "Successfully deleted job" };
      }
      case "remove": {
        if (!pipeline) return rights("image");
        if (act.jobs.length === 0) return {};
        const meant = pipeline.jobs.filter((id) => act.jobs.includes(id));
        const busy = meant.filter((id) => this.#isBusy(id));
        if (busy.length > 0) {
          return { remove_jobs: `Could not remove jobs. ${listed(busy)} are queued or running` };
        }
        this.#drop(meant);
        return { remove_jobs: "Successfully removed jobs" };
      }
      case "rearrange": {
        if (!pipeline) return rights("image");
        if (act.jobs.length === 0) return {};
        const [asked, current] = [listed(act.jobs), listed(pipeline.jobs)];
        if (asked !== current) {
          return {
            rearrange_jobs: `Could not rearrange jobs. rearrange ids are ${asked} while current ids are ${current}`,
          };
        }
        pipeline.jobs = [...act.jobs];
        return { rearrange_jobs: "Successfully removed jobs" };
      }
      case "submit": {
        if (!pipeline) return { error: "Pipeline not found" };
        for (const id of pipeline.jobs) if (!this.#isBusy(id)) this.jobs.get(id)!.state = "in_queue";
        return this.#statesOf(pipeline.jobs);
      }
      case "cancel": {
        if (!pipeline) return { error: "Pipeline not found" };
        for (const id of pipeline.jobs) {
          const job = this.jobs.get(id)!;
          if (job.state === "in_queue" && !job.claimed) job.state = "failed";
        }
        return this.#statesOf(pipeline.jobs);
      }
    }
  }

  #jobOf({ pipeline, job }: { pipeline: number; job: number }): Job | undefined {
    const found = this.jobs.get(job);
    return found?.pipeline === pipeline ? found : undefined;
  }

  #isBusy(id: number): boolean {
    return ["in_queue", "running"].includes(this.jobs.get(id)!.state);
  }

  #drop(ids: readonly number[]): void {
    for (const id of ids) {
      const { jobs } = this.pipelines.get(this.jobs.get(id)!.pipeline)!;
      jobs.splice(jobs.indexOf(id), 1);
      this.jobs.delete(id);
    }
  }

  #statesOf(ids: readonly number[]): Answer {
    return Object.fromEntries(ids.map((id) => [String(id), this.jobs.get(id)!.state]));
  }
}

/** The refusal of files of which one lies where another has a directory. */
function conflictOf(files: Files): Answer | undefined {
  const paths = Object.keys(files);
  const at = paths.find((path) => paths.some((other) => other.startsWith(`${path}/`)));
  if (at === undefined) return undefined;
  return { message: `[attachments]: "${at}" cannot be both a file and a directory` };
}

function listed(ids: readonly number[]): string {
  return `[${ids.map(String).sort().join(", ")}]`;
}
