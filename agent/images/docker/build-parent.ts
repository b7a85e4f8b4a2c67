import { createHash } from "node:crypto";
import { readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";

const CGROUPS = "/sys/fs/cgroup";

/**
 * The cgroup parent of a build's steps. No Dockerfile and no image can give a container one, so it tells the
 * steps of this agent's builds from whatever else the engine runs. A `slot` is one build at a time: with the
 * engine's own cgroup driver the parent stays, so there must not be one for each build.
 */
export class BuildParent {
  readonly #name: string;

  constructor(instance: string, slot: number) {
    this.#name = `${prefixOf(instance)}${slot}`;
  }

  /** As the engine wants it. `driver` is its cgroup driver: systemd knows slices only. */
  text(driver: string): string {
    return driver === "systemd" ? `${this.#name}.slice` : `/${this.#name}`;
  }

  is(parent: string | undefined): boolean {
    return nameOf(parent) === this.#name;
  }

  /** Takes away what the engine's own driver leaves of it, on a host that is this one. */
  clear(): void {
    for (const directory of [CGROUPS, ...list(CGROUPS).map((name) => join(CGROUPS, name))]) {
      try {
        rmdirSync(join(directory, this.#name));
      } catch {
        // not there, or in use
      }
    }
  }
}

/** Is it the parent of any build of this agent's? */
export function isBuildParent(instance: string, parent: string | undefined): boolean {
  const prefix = prefixOf(instance);
  const name = nameOf(parent);
  return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
}

/** Steps can read it in `/proc/self/cgroup`: it does not give the instance away. No `-`: systemd nests at it. */
function prefixOf(instance: string): string {
  const digest = createHash("sha256").update(`build ${instance}`).digest("hex");
  return `perigee_build_${digest.slice(0, 16)}_`;
}

function nameOf(parent: string | undefined): string {
  return (parent ?? "").replace(/^\//, "").replace(/\.slice$/, "");
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
