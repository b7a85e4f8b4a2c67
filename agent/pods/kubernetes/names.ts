import { createHash } from "node:crypto";
import { LABEL } from "../labels.ts";
import type { RunSpec } from "../pod-runtime.ts";
import { isRunId, isRunnerId } from "../runs/run-id.ts";
import type { Metadata } from "./types.ts";

/** Keeps a pod's object, and with it how the run ended, until the agent has noted it. */
export const FINALIZER = "perigee.internal/run";
/** Keeps a pod from its node until its ports are open: whatever fails before, it has not run. */
export const PORTS_GATE = "perigee.internal/ports";
/** On a pod: the agent ended it, so the deadline that ended it says nothing. */
export const STOPPED = "perigee.internal/stopped";
/** On a claim: the volume's directory, as the agent sees it. */
export const PATH = "perigee.internal/path";
/** Of every user's namespace: what pods run as. It may do nothing. */
export const SERVICE_ACCOUNT = "perigee-pod";

/**
 * Names of what one agent makes in a cluster. A namespace's name shows in its pods' DNS settings, and other users'
 * names must not be guessed from it: so it ends in a hash over `secret`, which no pod knows.
 */
export class KubernetesNames {
  readonly instance: string;
  readonly #secret: string;
  readonly #prefix: string;

  constructor(instance: string, secret: string, prefix: string) {
    this.instance = instance;
    this.#secret = secret;
    this.#prefix = prefix;
  }

  namespace(user: string): string {
    const hash = createHash("sha256").update(`${this.#secret} ${user}`).digest("hex").slice(0, 16);
    return `${this.#prefix}-${user}-${hash}`;
  }

  /** Of the user's runners. Neither name can be guessed from the other. */
  runnerNamespace(user: string): string {
    const hash = createHash("sha256").update(`${this.#secret} runners ${user}`).digest("hex").slice(0, 16);
    return `${this.#prefix}-${user}-${hash}`;
  }

  /** Where a run's pod belongs. */
  home({ user, runner }: Pick<RunSpec, "user" | "runner">): string {
    return runner ? this.runnerNamespace(user) : this.namespace(user);
  }

  /** A persistent volume belongs to no namespace: the name says whose it is. */
  persistentVolume(user: string, volume: string): string {
    return `${this.namespace(user)}-${volume}`;
  }

  pod(run: string): string {
    return run.toLowerCase();
  }

  /** The run or runner whose pod this is, by its name and its label alike; undefined for a pod that is neither's. */
  runOf({ name, labels }: Metadata): string | undefined {
    const run = labels?.[LABEL.run];
    const isOurs = run !== undefined && (isRunId(run) || isRunnerId(run)) && name === this.pod(run);
    return isOurs ? run : undefined;
  }

  labels(user?: string): Record<string, string> {
    return { [LABEL.instance]: this.instance, ...(user !== undefined && { [LABEL.user]: user }) };
  }

  /** Selects what this agent made. */
  get selector(): string {
    return `${LABEL.instance}=${this.instance}`;
  }
}
