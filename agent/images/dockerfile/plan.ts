import { LIMITS } from "#protocol/limits.ts";
import { reservedLabelOf } from "../image-labels.ts";
import type { ImageDetails } from "../image-store.ts";
import type { EscapeChar } from "./directives.ts";
import { DockerfileError, locate, shown } from "./error.ts";
import { Expander } from "./expand.ts";
import { readFlags } from "./flags.ts";
import { HEREDOC_MESSAGE, heredocNames } from "./heredoc.ts";
import { type Instruction, readInstruction, UnknownInstruction } from "./instruction.ts";
import { type LogicalLine, readLines } from "./lines.ts";
import { Scope } from "./scope.ts";
import { readArg, writeStep } from "./step.ts";
import { readTrigger } from "./trigger.ts";
import { type Step, writeDockerfile } from "./write.ts";

/** What a Dockerfile's images mean where it is built. */
export type PlanWorld = {
  /** as `run` finds an image */
  resolve(reference: string): Promise<{ id: string } | undefined>;
  inspect(id: string): Promise<ImageDetails | undefined>;
  /** ID of the same image without its ONBUILD triggers */
  withoutTriggers(id: string): Promise<string>;
  /** of the engine */
  os: string;
  architecture: string;
  /** `key=value …` put on every stage, so that cached steps are found by whoever has the same label only */
  label: string;
};

/**
 * `text` is the Dockerfile for the engine: every image in it is an ID, nothing in it is fetched or expanded. `bases`: what its
 * stages stand on that was there before, as it names them.
 */
export type BuildPlan = { text: string; steps: readonly Step[]; bases: readonly string[] };

/**
 * Turns a user's Dockerfile into one for the classic builder of an engine that is to pull and fetch nothing.
 * It means what engine 20.10 makes of it, and says so in a form in which no engine can see anything else.
 * @throws DockerfileError
 */
export async function planBuild(dockerfile: Uint8Array, world: PlanWorld): Promise<BuildPlan> {
  const { escapeChar, lines } = readLines(dockerfile);
  const instructions = readAll(lines, escapeChar);
  const planner = new Planner(world, escapeChar);
  for (const { number, instruction } of instructions) {
    try {
      await planner.take(instruction);
    } catch (error) {
      throw locate(`Dockerfile line ${number}`, locate(instruction.keyword, error));
    }
  }
  return planner.plan();
}

type Numbered = { number: number; instruction: Instruction };

/** The engine reads all of a Dockerfile before it does any of it. */
function readAll(lines: readonly LogicalLine[], escapeChar: EscapeChar): Numbered[] {
  const read: Numbered[] = [];
  for (const { number, text } of lines) {
    try {
      read.push({ number, instruction: readInstruction(text, escapeChar) });
    } catch (error) {
      const begin = error instanceof UnknownInstruction && heredocBefore(read, text);
      if (!begin) throw locate(`Dockerfile line ${number}`, error);
      throw new DockerfileError(
        `Dockerfile line ${begin.number}: ${begin.instruction.keyword}: ${HEREDOC_MESSAGE}`,
      );
    }
  }
  return read;
}

/** The instruction whose heredoc `line`, which is no instruction, was meant to be in or to end. */
function heredocBefore(read: readonly Numbered[], line: string): Numbered | undefined {
  return read.findLast(({ instruction }, i) => {
    if (!["RUN", "COPY", "ADD", "ONBUILD"].includes(instruction.keyword)) return false;
    const names = heredocNames(instruction.source);
    return names.includes(line.trim()) || (names.length > 0 && i === read.length - 1);
  });
}

type Stage = {
  name: string | undefined;
  scope: Scope;
  /** what runs where the stage is a base: read here, never by the engine */
  triggers: string[];
  steps: Step[];
};

class Planner {
  readonly #world: PlanWorld;
  readonly #escape: EscapeChar;
  readonly #expander: Expander;
  readonly #stages: Stage[] = [];
  /** ARG before the first FROM, and the platform as BuildKit gives it */
  readonly #globals: Map<string, string>;
  readonly #bases = new Set<string>();
  /** by the reference that found them: a name means one image throughout */
  readonly #images = new Map<string, ImageDetails>();

  constructor(world: PlanWorld, escapeChar: EscapeChar) {
    this.#world = world;
    this.#escape = escapeChar;
    this.#expander = new Expander(escapeChar);
    const platform = `${world.os}/${world.architecture}`;
    this.#globals = new Map(
      ["BUILD", "TARGET"].flatMap((side) => [
        [`${side}PLATFORM`, platform],
        [`${side}OS`, world.os],
        [`${side}ARCH`, world.architecture],
        [`${side}VARIANT`, ""],
      ]),
    );
  }

  async take(instruction: Instruction): Promise<void> {
    if (instruction.keyword === "FROM") return this.#from(instruction);
    const stage = this.#stages.at(-1);
    if (stage) return this.#step(stage, instruction, instruction.source);
    if (instruction.keyword !== "ARG") throw new DockerfileError("no build stage in current context");
    const read = instruction.args.map((word) => readArg(word, this.#globals, this.#expander));
    if (read.length === 0) throw new DockerfileError("requires at least one argument");
    for (const [name, value] of read) if (value !== undefined) this.#globals.set(name, value);
  }

  plan(): BuildPlan {
    const last = this.#stages.at(-1);
    if (!last) throw new DockerfileError("no build stage in current context");
    const kept = last.triggers.map((text) => ({ text: `ONBUILD ${text}`, shown: `ONBUILD ${text}` }));
    const steps = [...this.#stages.flatMap((stage) => stage.steps), ...kept];
    return { text: writeDockerfile(steps, this.#escape), steps, bases: [...this.#bases] };
  }

  async #from({ flags, args, source }: Instruction): Promise<void> {
    const [word, as, alias, ...more] = args;
    const name = alias?.toLowerCase();
    if (word === undefined || more.length > 0 || (as !== undefined && (as.toLowerCase() !== "as" || !name))) {
      throw new DockerfileError("requires either one or three arguments");
    }
    if (name !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(name)) {
      throw new DockerfileError(`invalid name for build stage: ${shown(name)}`);
    }
    if (name !== undefined && this.#stages.some((stage) => stage.name === name)) {
      throw new DockerfileError(`duplicate name ${shown(name)}`);
    }
    if (this.#stages.length === LIMITS.dockerfileStages) {
      throw new DockerfileError(`there are over ${LIMITS.dockerfileStages} stages`);
    }
    const platform = readFlags(flags, ["platform"]).get("platform");
    if (platform !== undefined) this.#checkPlatform(this.#expander.word(platform, this.#globals));
    const base = this.#expander.word(word, this.#globals);
    if (base === "") throw new DockerfileError(`base name (${shown(word)}) should not be blank`);
    const { image, scope, triggers } = await this.#base(base);
    const stage: Stage = {
      name,
      scope,
      triggers: [],
      steps: [
        { text: name === undefined ? `FROM ${image}` : `FROM ${image} AS ${name}`, shown: source },
        { text: `LABEL ${this.#world.label}` },
      ],
    };
    this.#stages.push(stage);
    for (const text of triggers) {
      const trigger = readTrigger(text);
      try {
        await this.#step(stage, trigger, `${trigger.source} (ONBUILD trigger of ${base.slice(0, 200)})`);
      } catch (error) {
        throw locate(`ONBUILD trigger of ${shown(base)}`, locate(trigger.keyword, error));
      }
    }
  }

  /** What a FROM may name: an earlier stage, `scratch`, or an image, given as its ID. */
  async #base(name: string): Promise<{ image: string; scope: Scope; triggers: readonly string[] }> {
    const stage = this.#stages.find((earlier) => earlier.name === name.toLowerCase());
    if (stage) {
      const { scope, triggers } = stage;
      return { image: stage.name!, scope: scope.child(), triggers };
    }
    if (name === "scratch") {
      this.#bases.add(name);
      return { image: name, scope: new Scope([]), triggers: [] };
    }
    const { id, env, shell, onBuild } = await this.#image(name);
    // a copy without triggers is another each time
    const image = onBuild.length > 0 ? await this.#world.withoutTriggers(id) : id;
    if (image === id) this.#bases.add(id);
    return { image, scope: Scope.of(env, shell), triggers: onBuild };
  }

  async #image(reference: string): Promise<ImageDetails> {
    let details = this.#images.get(reference);
    if (!details) {
      const found = await this.#world.resolve(reference);
      details = found && (await this.#world.inspect(found.id));
    }
    if (!details) {
      throw new DockerfileError(
        `image ${JSON.stringify(reference.slice(0, 200))} is not onboard, and nothing is pulled`,
      );
    }
    this.#images.set(reference, details);
    assertUsable(reference, details);
    return details;
  }

  #checkPlatform(platform: string): void {
    const { os, architecture } = this.#world;
    if (platform === "" || platform === os || platform === architecture) return;
    if (platform === `${os}/${architecture}` || platform.startsWith(`${os}/${architecture}/`)) return;
    throw new DockerfileError(`platform ${shown(platform)} is not this engine's ${os}/${architecture}`);
  }

  async #step(stage: Stage, instruction: Instruction, source: string): Promise<void> {
    const text = await writeStep(instruction, {
      scope: stage.scope,
      globals: this.#globals,
      escapeChar: this.#escape,
      expander: this.#expander,
      source: (from) => this.#source(from),
    });
    // The engine would run them where the stage is a base; in the last stage they are the image's.
    if (instruction.keyword === "ONBUILD") stage.triggers.push(text.slice("ONBUILD ".length));
    else stage.steps.push({ text, shown: source });
  }

  /** What COPY --from may name: an earlier stage by name or number, or an image, given as its ID. */
  async #source(from: string): Promise<string> {
    const name = from.toLowerCase();
    // the stage itself is no source of its own
    const earlier = this.#stages.slice(0, -1);
    if (earlier.some((stage) => stage.name === name)) return name;
    if (/^[+-]?[0-9]+$/.test(from)) {
      const index = Number(from);
      if (index < 0 || index >= earlier.length) {
        throw new DockerfileError(`invalid from flag value ${shown(from)}`);
      }
      return String(index);
    }
    if (from === "" || from.includes("$")) throw new DockerfileError("--from must name a stage or an image");
    return (await this.#image(from)).id;
  }
}

/** An image with a reserved label is no base: what is built on it would have the label, too. */
function assertUsable(reference: string, { labels }: ImageDetails): void {
  const key = reservedLabelOf(labels);
  if (key === undefined) return;
  throw new DockerfileError(`image ${shown(reference)} has the label ${shown(key)}, which is reserved`);
}
