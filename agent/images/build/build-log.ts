import type { Step } from "../dockerfile/write.ts";

export type BuildLogOptions = {
  steps: readonly Step[];
  /** what the agent's own label instructions hold */
  label: string;
  /** the name while it is built, and what the user calls it (absent: nothing, so it is not told) */
  temporaryName: string;
  image?: string;
  onLine(line: string): void;
  /** a step of the user's begins: how many are done, and of how many */
  onStep(done: number, total: number): void;
};

/**
 * The log of a build as its author knows the Dockerfile: the engine was given another text (see planBuild),
 * with steps, names and values that are the agent's own.
 */
export class BuildLog {
  readonly #options: BuildLogOptions;
  readonly #total: number;
  #next = 0;
  #hidden = false;

  constructor(options: BuildLogOptions) {
    this.#options = options;
    this.#total = options.steps.filter(({ shown }) => shown !== undefined).length;
  }

  add(line: string): void {
    const { steps, label, temporaryName, image, onLine, onStep } = this.#options;
    const step = steps[this.#next];
    // the whole line, so that hardly any output of a step passes for it
    if (step && line === `Step ${this.#next + 1}/${steps.length} : ${step.text}`) {
      const done = steps.slice(0, this.#next).filter(({ shown }) => shown !== undefined).length;
      this.#next++;
      this.#hidden = step.shown === undefined;
      if (this.#hidden) return;
      onStep(done, this.#total);
      onLine(`Step ${done + 1}/${this.#total} : ${step.shown}`);
      return;
    }
    if (line.includes(label)) return;
    if (this.#hidden && /^(?: ---> |Removing intermediate container )/.test(line)) return;
    if (image === undefined && line === `Successfully tagged ${temporaryName}`) return;
    onLine(line.replaceAll(temporaryName, image ?? "the image"));
  }
}
