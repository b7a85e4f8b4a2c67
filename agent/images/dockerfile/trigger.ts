import { isAgentLabel } from "../image-labels.ts";
import { localSource } from "./add.ts";
import { DockerfileError, located, shown } from "./error.ts";
import { Expander } from "./expand.ts";
import { readFlags } from "./flags.ts";
import { type Instruction, readInstruction } from "./instruction.ts";
import { readLines } from "./lines.ts";

export const RESERVED_LABEL = 'keys that begin with "perigee." are reserved';

/** The single instruction of a trigger that an image brings along. @throws DockerfileError */
export function readTrigger(text: string): Instruction {
  return located(`ONBUILD trigger ${shown(text)}`, () => {
    const { escapeChar, lines } = readLines(Buffer.from(text));
    if (lines.length !== 1) throw new DockerfileError("must be a single instruction");
    const trigger = readInstruction(lines[0]!.text, escapeChar);
    checkTrigger(trigger);
    return trigger;
  });
}

/**
 * May `trigger` stand in an image for whatever is built on it? It names no image and no stage, and no label
 * of the agent's, whatever variables come to.
 * @throws DockerfileError
 */
export function checkTrigger({ keyword, flags, args }: Instruction): void {
  if (keyword === "ONBUILD" || keyword === "FROM" || keyword === "MAINTAINER") {
    throw new DockerfileError(`${keyword} isn't allowed as an ONBUILD trigger`);
  }
  if (keyword === "COPY" && readFlags(flags, ["from", "chown"]).has("from")) {
    throw new DockerfileError("COPY --from isn't allowed in an ONBUILD trigger");
  }
  if (keyword === "RUN") readFlags(flags, []);
  // what its variables come to is seen where it runs
  if (keyword === "ADD") for (const source of args.slice(0, -1)) localSource(source);
  if (keyword !== "LABEL") return;
  for (const key of args.filter((_, i) => i % 2 === 0)) {
    if (key.includes("$")) {
      throw new DockerfileError("LABEL: a key must not hold variables in an ONBUILD trigger");
    }
    // the escape character is that of the Dockerfile in which it will run
    const spellings = (["\\", "`"] as const).map((char) => new Expander(char).word(key, new Map()));
    if (spellings.some(isAgentLabel)) throw new DockerfileError(`LABEL: ${RESERVED_LABEL}`);
  }
}
