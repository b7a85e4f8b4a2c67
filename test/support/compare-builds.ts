import { Readable } from "node:stream";
import type Docker from "dockerode";
import type { ImageInspectInfo } from "dockerode";
import { pack } from "tar-stream";
import { engineEvents } from "#agent/images/docker/engine-events.ts";
import { DockerfileError } from "#agent/images/dockerfile/error.ts";
import { type BuildPlan, type PlanWorld, planBuild } from "#agent/images/dockerfile/plan.ts";

/**
 * What came of a Dockerfile: why it failed, or the parts of the image's config that instructions set, and its
 * labels that are the agent's alone.
 */
export type Outcome =
  | { failed: string }
  | { config: Record<string, unknown>; reserved: Record<string, string> };

const PARTS = [
  "Env",
  "Cmd",
  "Entrypoint",
  "OnBuild",
  "Volumes",
  "ExposedPorts",
  "User",
  "WorkingDir",
  "Healthcheck",
  "StopSignal",
  "Shell",
] as const;

/** Builds Dockerfiles on scratch with the engine's classic builder, as they are and as we write them. */
export class BuildComparison {
  readonly #docker: Docker;
  readonly #label: string;
  readonly #made = new Set<string>();

  constructor(docker: Docker, mark: string) {
    this.#docker = docker;
    this.#label = `perigee.image=${mark}`;
  }

  async engines(text: string): Promise<Outcome> {
    const changes = this.#changes(text);
    return this.#attempt(() => (changes === undefined ? this.#build(text) : this.#import(changes)));
  }

  /** @param labelled build with the agent's label in every stage, as the agent does (default: only where it is needed) */
  async ours(text: string, { labelled = false } = {}): Promise<Outcome> {
    const world: PlanWorld = {
      resolve: async () => undefined,
      inspect: async () => undefined,
      withoutTriggers: async (id) => id,
      os: "linux",
      architecture: "amd64",
      label: this.#label,
    };
    let plan: BuildPlan;
    try {
      plan = await planBuild(Buffer.from(text), world);
    } catch (error) {
      if (error instanceof DockerfileError) return { failed: error.message };
      throw error;
    }
    const fast = this.#changes(text) === undefined ? undefined : plan.text.replace(/^FROM scratch\n/m, "");
    // its label makes an image of nothing; elsewhere it is one step more for each stage
    const slow =
      !labelled && plan.steps.length > 2 ? plan.text.replaceAll(`LABEL ${this.#label}\n`, "") : plan.text;
    return this.#attempt(() => (fast === undefined ? this.#build(slow) : this.#import(fast)));
  }

  /**
   * What an import's `changes` can hold of a file: they go through the engine's same parser and the same
   * instructions, without a container for each, but they know no stages, files and arguments.
   */
  #changes(text: string): string | undefined {
    const rest = text.replace(/^FROM scratch\r?\n/m, "");
    if (rest === text || /\b(?:ADD|ARG|COPY|FROM|MAINTAINER|PATH|SHELL)\b/i.test(rest)) return undefined;
    return rest;
  }

  /** Again where somebody else cleaned the engine meanwhile. */
  async #attempt(build: () => Promise<Outcome>): Promise<Outcome> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await build();
      if (attempt === 5 || !("failed" in outcome) || !/unable to find image/.test(outcome.failed))
        return outcome;
    }
  }

  async #import(changes: string): Promise<Outcome> {
    const empty = pack();
    empty.finalize();
    try {
      const options = { changes, repo: "", fromSrc: "-" };
      const answer = await this.#docker.importImage(Readable.from(empty), options);
      for await (const { status, error } of engineEvents(answer as AsyncIterable<unknown>)) {
        if (error !== undefined) return { failed: error };
        if (!status?.startsWith("sha256:")) continue;
        this.#made.add(status);
        return outcomeOf(await this.#docker.getImage(status).inspect());
      }
      return { failed: "nothing came" };
    } catch (error) {
      return failureOf(error);
    }
  }

  /** Removes what was built. */
  async clear(): Promise<void> {
    for (const id of [...this.#made].reverse()) {
      // what others were built on goes with them
      await this.#docker
        .getImage(id)
        .remove()
        .catch(() => {});
    }
  }

  async #build(dockerfile: string): Promise<Outcome> {
    const context = pack();
    for (const [name, content] of Object.entries({ file: "x", "dir/deep": "y", ".perigee": dockerfile })) {
      context.entry({ name, mtime: new Date(0) }, content);
    }
    context.finalize();
    let id: string | undefined;
    try {
      const answer = await this.#docker.buildImage(Readable.from(context), {
        version: "1",
        dockerfile: ".perigee",
        networkmode: "none",
        rm: true,
        forcerm: true,
      });
      for await (const { stream, aux, error } of engineEvents(answer as AsyncIterable<unknown>)) {
        const [, step] = /^ ---> ([0-9a-f]{12})\n$/.exec(stream ?? "") ?? [];
        if (step) this.#made.add(step);
        if (error !== undefined) return { failed: error };
        id = aux?.ID ?? id;
      }
    } catch (error) {
      return failureOf(error);
    }
    return outcomeOf(await this.#docker.getImage(id!).inspect());
  }
}

function failureOf(error: unknown): Outcome {
  const { json, statusCode } = error as { json?: { message?: string }; statusCode?: number };
  if (statusCode === undefined) throw error;
  return { failed: json?.message ?? String(error) };
}

function outcomeOf(image: ImageInspectInfo): Outcome {
  const config = image.Config as unknown as Record<string, unknown>;
  const parts: Record<string, unknown> = { Author: image.Author };
  for (const part of PARTS) if (!isEmpty(config[part])) parts[part] = config[part];
  const labels = Object.entries((config.Labels ?? {}) as Record<string, string>);
  const [reserved, others] = [true, false].map((wanted) =>
    Object.fromEntries(labels.filter(([key]) => /perigee/i.test(key) === wanted)),
  );
  if (!isEmpty(others)) parts.Labels = others;
  // the text is kept as it is written, but for the keyword's case and the blanks after it
  if (Array.isArray(parts.OnBuild)) {
    parts.OnBuild = parts.OnBuild.map((text: string) =>
      text.replace(/^(\w+)\s*/, (_, keyword: string) => `${keyword.toUpperCase()} `),
    );
  }
  return { config: parts, reserved: reserved! };
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || Object.keys(value).length === 0;
}
