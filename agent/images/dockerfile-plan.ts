import { assertLocalAdd, rewriteAdd } from "./dockerfile-add.ts";
import { takeFlags, withFlags } from "./dockerfile-flags.ts";
import {
  DockerfileError,
  type Instruction,
  readDockerfile,
  readInstruction,
  writeInstructions,
} from "./dockerfile-lines.ts";
import { expandWord, splitWords } from "./dockerfile-words.ts";
import type { ImageDetails } from "./image-store.ts";

/** What a Dockerfile's images mean where it is built. */
export type PlanWorld = {
  /** as `run` finds an image */
  resolve(reference: string): Promise<{ id: string } | undefined>;
  inspect(id: string): Promise<ImageDetails | undefined>;
  /** of the engine */
  os: string;
  architecture: string;
  /** `key=value` put on every stage, so that cached steps are found by whoever has the same label only */
  label: string;
};

/** `text` is the Dockerfile for the engine: every image in it is an ID, nothing in it is fetched. */
export type BuildPlan = { text: string; noCache: boolean };

/**
 * Turns a user's Dockerfile into one for the classic builder of an engine that is to pull and fetch nothing.
 * @throws DockerfileError
 */
export async function planBuild(dockerfile: Uint8Array, world: PlanWorld): Promise<BuildPlan> {
  const { escapeChar, instructions } = readDockerfile(dockerfile);
  const planner = new Planner(world, escapeChar);
  for (const instruction of instructions) await planner.take(instruction);
  return planner.plan();
}

type Stage = { name: string | undefined };

class Planner {
  readonly #world: PlanWorld;
  readonly #escape: "\\" | "`";
  readonly #out: Instruction[] = [];
  readonly #stages: Stage[] = [];
  /** ARG before the first FROM */
  readonly #global: Map<string, string>;
  /** ARG and ENV of the stage, as far as they can be known */
  #variables = new Map<string, string>();
  #noCache = false;
  /** by the reference that found them: a name means one image throughout */
  readonly #images = new Map<string, ImageDetails>();

  constructor(world: PlanWorld, escapeChar: "\\" | "`") {
    this.#world = world;
    this.#escape = escapeChar;
    const platform = `${world.os}/${world.architecture}`;
    this.#global = new Map(
      ["BUILD", "TARGET"].flatMap((side) => [
        [`${side}PLATFORM`, platform],
        [`${side}OS`, world.os],
        [`${side}ARCH`, world.architecture],
        [`${side}VARIANT`, ""],
      ]),
    );
  }

  async take(instruction: Instruction): Promise<void> {
    const { keyword, rest } = instruction;
    if (this.#stages.length === 0 && keyword !== "FROM") {
      if (keyword !== "ARG") throw new DockerfileError("no build stage in current context");
      this.#assign(rest, this.#global, this.#global);
      this.#out.push(instruction);
      return;
    }
    if (keyword === "FROM") return this.#from(rest);
    if (keyword === "ARG") this.#assign(rest, this.#variables, this.#global);
    if (keyword === "ENV") this.#environment(rest);
    this.#out.push(keyword === "ONBUILD" ? this.#onBuild(rest) : await this.#step(instruction));
  }

  plan(): BuildPlan {
    if (this.#stages.length === 0) throw new DockerfileError("no build stage in current context");
    const text = writeInstructions({ escapeChar: this.#escape, instructions: this.#out });
    return { text, noCache: this.#noCache };
  }

  async #from(rest: string): Promise<void> {
    const { flags, rest: words } = takeFlags("FROM", rest, ["platform"]);
    const [word, as, alias, ...more] = words.split(/[\t\v\f\r ]+/);
    const name = alias?.toLowerCase();
    if (!word || more.length > 0 || (as !== undefined && (as.toLowerCase() !== "as" || !name))) {
      throw new DockerfileError("FROM requires either one or three arguments");
    }
    if (name !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(name)) {
      throw new DockerfileError(`invalid name for build stage: ${name.slice(0, 80)}`);
    }
    if (name !== undefined && this.#stages.some((stage) => stage.name === name)) {
      throw new DockerfileError(`duplicate name ${name.slice(0, 80)}`);
    }
    const platform = flags.get("platform");
    if (platform !== undefined) this.#checkPlatform(expandWord(platform, this.#global, this.#escape));
    const base = expandWord(word, this.#global, this.#escape);
    if (base === "") throw new DockerfileError(`base name (${word.slice(0, 80)}) should not be blank`);
    const image = await this.#base(base);
    this.#out.push({ keyword: "FROM", rest: name === undefined ? image : `${image} AS ${name}` });
    this.#out.push({ keyword: "LABEL", rest: this.#world.label });
    this.#stages.push({ name });
  }

  /** What a FROM may name: an earlier stage, `scratch`, or an image, given as its ID. */
  async #base(name: string): Promise<string> {
    this.#variables = new Map();
    const stage = name.toLowerCase();
    if (this.#stages.some((earlier) => earlier.name === stage)) return stage;
    if (name === "scratch") return name;
    const details = await this.#image("FROM", name);
    for (const trigger of details.onBuild) this.#checkTrigger(name, trigger);
    // cached steps of triggers lie before our label
    if (details.onBuild.length > 0) this.#noCache = true;
    for (const pair of details.env) {
      const [key, ...value] = pair.split("=");
      if (key) this.#variables.set(key, value.join("="));
    }
    return details.id;
  }

  async #image(keyword: string, reference: string): Promise<ImageDetails> {
    let details = this.#images.get(reference);
    if (!details) {
      const found = await this.#world.resolve(reference);
      details = found && (await this.#world.inspect(found.id));
    }
    if (!details) {
      throw new DockerfileError(
        `${keyword}: image ${JSON.stringify(reference.slice(0, 200))} is not onboard, and nothing is pulled`,
      );
    }
    this.#images.set(reference, details);
    return details;
  }

  #checkPlatform(platform: string): void {
    const { os, architecture } = this.#world;
    if (platform === "" || platform === os || platform === architecture) return;
    if (platform === `${os}/${architecture}` || platform.startsWith(`${os}/${architecture}/`)) return;
    throw new DockerfileError(
      `FROM: platform ${platform.slice(0, 80)} is not this engine's ${os}/${architecture}`,
    );
  }

  async #step({ keyword, rest }: Instruction): Promise<Instruction> {
    if (keyword === "ADD") {
      return { keyword, rest: rewriteAdd(rest, this.#variables, this.#escape) };
    }
    if (keyword === "LABEL") refuseOurLabels(rest, this.#escape);
    if (keyword === "RUN") {
      takeFlags(keyword, rest, []);
    }
    if (keyword === "COPY") {
      const copy = takeFlags(keyword, rest, ["from", "chown", "chmod"]);
      const from = copy.flags.get("from");
      if (from !== undefined) copy.flags.set("from", await this.#source(from));
      return { keyword, rest: withFlags(copy) };
    }
    return { keyword, rest };
  }

  /** What COPY --from may name: an earlier stage by name or number, or an image, given as its ID. */
  async #source(from: string): Promise<string> {
    const name = from.toLowerCase();
    // the stage itself is no source of its own
    const earlier = this.#stages.slice(0, -1);
    if (earlier.some((stage) => stage.name === name)) return name;
    if (/^[+-]?[0-9]+$/.test(from)) {
      const index = Number(from);
      if (!/^[0-9]+$/.test(from) || index >= earlier.length) {
        throw new DockerfileError(`COPY: invalid from flag value ${from.slice(0, 80)}`);
      }
      return String(index);
    }
    if (from === "" || from.includes("$"))
      throw new DockerfileError("COPY: --from must name a stage or an image");
    return (await this.#image("COPY --from", from)).id;
  }

  /** A trigger runs wherever the image is a base: it may name no image and no stage. */
  #onBuild(rest: string): Instruction {
    const { keyword, rest: inner } = readInstruction(rest);
    if (keyword === "ONBUILD" || keyword === "FROM" || keyword === "MAINTAINER") {
      throw new DockerfileError(`${keyword} isn't allowed as an ONBUILD trigger`);
    }
    if (keyword === "ADD") {
      const add = rewriteAdd(inner, this.#variables, this.#escape);
      return { keyword: "ONBUILD", rest: `ADD ${add}` };
    }
    const trigger = inner === "" ? keyword : `${keyword} ${inner}`;
    checkTriggerText(trigger);
    return { keyword: "ONBUILD", rest: trigger };
  }

  #checkTrigger(image: string, trigger: string): void {
    try {
      checkTriggerText(trigger);
    } catch (error) {
      if (!(error instanceof DockerfileError)) throw error;
      throw new DockerfileError(`ONBUILD trigger of ${image.slice(0, 200)}: ${error.message}`);
    }
  }

  /** ARG: `NAME`, `NAME=value`; without a value it has the one given before the first FROM. */
  #assign(rest: string, scope: Map<string, string>, outer: ReadonlyMap<string, string>): void {
    for (const word of splitWords(rest, this.#escape)) {
      const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
      if (name === undefined) continue;
      scope.set(name, value === undefined ? (outer.get(name) ?? "") : expandWord(value, scope, this.#escape));
    }
  }

  /** ENV: `NAME=value …` or `NAME value`; only to say early what an ADD comes to. */
  #environment(rest: string): void {
    try {
      const words = splitWords(rest, this.#escape);
      const pairs = words[0]?.includes("=") ? words : [`${words[0]}=${words.slice(1).join(" ")}`];
      const values = pairs.map((pair) => {
        const at = pair.indexOf("=");
        return [pair.slice(0, at), expandWord(pair.slice(at + 1), this.#variables, this.#escape)] as const;
      });
      // all of them see what was before the instruction
      for (const [name, value] of values) this.#variables.set(name, value);
    } catch (error) {
      if (!(error instanceof DockerfileError)) throw error;
    }
  }
}

function checkTriggerText(trigger: string): void {
  if (trigger.includes("\n") || trigger.includes("\0")) throw new DockerfileError("more than one line");
  const { keyword, rest } = readInstruction(trigger);
  if (keyword === "ONBUILD" || keyword === "FROM") throw new DockerfileError(`${keyword} isn't allowed`);
  if (keyword === "ADD") assertLocalAdd(rest);
  if (keyword === "COPY" && takeFlags(keyword, rest, ["from", "chown", "chmod"]).flags.has("from")) {
    throw new DockerfileError("COPY --from isn't allowed in a trigger");
  }
  if (keyword === "RUN") takeFlags(keyword, rest, []);
  if (keyword === "LABEL") refuseOurLabels(rest, "\\");
}

/** Labels tell the agent what is its own: none of a user's may look like one, whatever variables come to. */
function refuseOurLabels(rest: string, escapeChar: string): void {
  if (/perigee\./i.test(rest.replace(/["'\\`]/g, ""))) {
    throw new DockerfileError('LABEL: keys that begin with "perigee." are not allowed');
  }
  const words = splitWords(rest, escapeChar);
  const keys = words[0]?.includes("=") ? words.map((word) => word.split("=")[0]!) : words.slice(0, 1);
  if (keys.some((key) => key.includes("$"))) {
    throw new DockerfileError("LABEL: a key must not hold variables");
  }
}
