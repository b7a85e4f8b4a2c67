import type { Socket } from "node:net";
import type { MachineKind, MachinesRun } from "#protocol/machines.ts";
import type { NodeKind } from "#protocol/names.ts";
import type { ContainerState } from "#protocol/operations.ts";
import type { MappedPort } from "#protocol/runners.ts";
import type { NodeReport } from "#protocol/wire.ts";

/** A volume of the user's, or a part of it, in a run. */
export type RunMount = {
  /** the volume's name */
  volume: string;
  /** host path of the volume; must exist */
  path: string;
  /** what of the volume: relative, normalised; a directory is made where nothing is; default: all of it */
  subPath?: string;
  /** where in the container: absolute, normalised, in no other mount */
  at: string;
  readOnly?: boolean;
};

/** What a run may use: bytes, CPUs, processes and threads. */
export type RunLimits = { memoryBytes?: number; cpus?: number; pids?: number };

/** Everything that is needed to start a run; nothing in it is looked up again. */
export type RunSpec = {
  /** id of the pod/run command: names the container, and so makes starting it idempotent */
  run: string;
  user: string;
  pod: string;
  /** a further name by which the user's other pods reach it */
  hostname?: string;
  /** it is reached from outside too, where the operator allows that */
  address?: boolean;
  mounts: readonly RunMount[];
  /** content ID (`sha256:…`), never a name */
  imageId: string;
  /** name and kind of the node it was placed on */
  node: string;
  kind: NodeKind;
  /** it must run on that very node; default: on any of the kind, where the runtime places pods itself */
  pinned?: boolean;
  /** replaces ENTRYPOINT and CMD */
  command?: readonly string[];
  /** replaces CMD */
  args?: readonly string[];
  ports: readonly number[];
  envs: Readonly<Record<string, string>>;
  /**
   * `user`: with the user's other pods and nobody else; `none`: no network at all; `open` (runners alone): public
   * addresses and nobody else, and `ports` are reached from outside where the operator gave them an address
   */
  network: "user" | "none" | "open";
  /** at most what every pod may have */
  limits?: RunLimits;
  /** device files of the host that it alone gets, beside those of its node's kind */
  devices?: readonly string[];
  /** of a cluster: one of this extended resource is for it alone, by which a device plugin gives it a device */
  resource?: string | undefined;
  /** working directory for an image that names none, or `/`; default: the engine's own */
  defaultWorkdir?: string;
  /**
   * how long it may run: a runtime may hold it too, a little later than the agent, should the agent be gone; absent:
   * for ever
   */
  maxMs?: number;
  /** between SIGTERM and SIGKILL when it is over, ms */
  graceMs: number;
  /** it is a runner of an environment and no pod: `run` is the runner's id */
  runner?: RunnerShape;
};

/**
 * A runner: its `command` is started by root, keeps no log and gets no device. Its CPUs may be more than those of a pod.
 */
export type RunnerShape = {
  /** its weight when CPUs are short; default: the engine's own */
  cpuShares?: number;
  /** what it may ask a cluster's scheduler for, in thousandths of a CPU */
  cpuMillis: number;
  /** bytes that it may write outside of memory, where the runtime can hold it to that */
  scratchBytes: number;
};

/** A runner that the engine holds. `bytes`: what it wrote to its own layer, where that was asked for and is known. */
export type ListedRunner = Pick<ListedRun, "run" | "user" | "phase"> & { bytes?: number };

/**
 * `startedAt`: ms since 1970 by the clock of its node, where that may be another than ours. `ports`: where the ports of
 * a runner with an open network are reached.
 */
export type Started = { node: string; startedAt?: number; ports?: readonly MappedPort[] };

/** A run that the engine holds. `created`: it has never been started. */
export type ListedRun = { run: string; user: string; pod: string; phase: "created" | "running" | "ended" };

/** One line of a run's output, or a piece of a very long one. */
export type LogFrame = {
  stream: "stdout" | "stderr";
  /** RFC 3339 with nanoseconds, UTC, as the engine stamped it */
  time: string;
  /** without its newline; an engine may replace bytes that are not UTF-8 */
  text: Buffer;
  /** the line goes on in the next frame of this stream */
  partial: boolean;
};

/** The payload cannot be started and never will be; the message is fit for the user (no host paths). */
export class StartFailure extends Error {
  override readonly name = "StartFailure";
}

/**
 * The engine holds the run and will start it when it can, which is not now: ask again. `reason` and message are those
 * of `waiting`.
 */
export class NotStartedYet extends Error {
  override readonly name = "NotStartedYet";
  readonly reason: string;

  constructor(reason: string, message = "") {
    super(message);
    this.reason = reason;
  }
}

/** Runners with a network cannot be started: where its rules are not, no such runner is. The message is for users. */
export class NoRunnerNetwork extends Error {
  override readonly name = "NoRunnerNetwork";
}

/** The engine no longer has the image of this ID. */
export class ImageMissing extends Error {
  override readonly name = "ImageMissing";
}

/** What a run has used since it began: CPU time in ms, the peak of its memory, bytes read and written on block devices. */
export type RunUsage = { cpuMs: number; memoryBytes: number; ioBytes: number };

export type Written = {
  /** bytes on disk outside the volumes, files without a name in them included */
  bytes: number;
  /** bytes written to disks by what runs now, since it began; absent where nobody counts them */
  wrote?: number;
  /** directories of this machine that hold more */
  directories: string[];
};

/**
 * Runs pods on the edge. Everything it makes carries its instance label and it sees nothing without it.
 * Any call may fail with another error when the engine does not answer: that says nothing about the run,
 * and the call may be repeated. A run that has ever started is never started again.
 */
export interface PodRuntime {
  /**
   * Changes when the engine may have forgotten what it did last (Docker: the machine was restarted; Kubernetes:
   * another cluster). Known once any call was answered.
   */
  readonly session: string;
  /** names this way to run pods: `docker`, `kubernetes`, `qemu` */
  readonly provider: string;
  /**
   * What may take minutes before a start can be quick: brings the image to where nodes find it. May be repeated,
   * and left alone while it goes on. @throws ImageMissing, StartFailure
   */
  prepare(image: { user: string; imageId: string }): Promise<void>;
  /**
   * Creates and starts the run, or does what is missing of that; done when its process runs.
   * One that has already started (even ended) is left as it is. Says which node it is on.
   * @throws StartFailure, ImageMissing, NotStartedYet
   *
   * @example A run's life; each step may be repeated after a failure that says nothing about the run.
   * await runtime.prepare(spec);
   * await runtime.start(spec);
   * await runtime.stop(spec.run, 10_000);
   * const state = await runtime.inspect(spec.run); // { terminated: { exitCode: 0, … } }
   * await runtime.remove(spec.run);
   */
  start(spec: RunSpec): Promise<Started>;
  /**
   * Does what a start that was cut short has left undone for a run that runs, its ports for example. May be
   * repeated; an unknown or ended run is no error.
   */
  adopt(spec: RunSpec): Promise<void>;
  /**
   * SIGTERM, SIGKILL after `graceMs`; done when it has ended. With 0 it is killed at once, where the engine can do that
   * (Docker), and beside another stop of it. An unknown, unstarted or ended run is no error.
   */
  stop(run: string, graceMs: number): Promise<void>;
  /** Removes a run and what it wrote outside its volumes, killing it if need be. An unknown run is no error. */
  remove(run: string): Promise<void>;
  /**
   * Kubernetes-shaped state: `waiting ContainerCreating` for a run that was created but never started;
   * `terminated` with reason `Completed`, `Error`, `OOMKilled`, `StartError`, or `NodeLost` when it died with the
   * machine; undefined when the engine does not know the run.
   */
  inspect(run: string): Promise<ContainerState | undefined>;
  /** Where the user's other runs reach a running run; undefined where it has no address, or does not run. */
  addressOf(run: string): Promise<string | undefined>;
  /**
   * Opens a connection from this machine to an address and port of a run of the user; it ends at once where nobody
   * listens. Absent where runs have addresses that need no help. With `signal` aborted it fails before it makes anything.
   */
  connect?(user: string, address: string, port: number, signal: AbortSignal): Promise<Socket>;
  /** All runs of this instance, without its runners. */
  list(): Promise<ListedRun[]>;
  /** The runners of this instance. Absent where there can be none. */
  listRunners?(options?: { sizes?: boolean }): Promise<ListedRunner[]>;
  /**
   * Output of a run from the oldest line that the engine still has, in the order it was written; all as `stdout`
   * where the engine does not keep the streams apart. `since` (RFC 3339): older lines may be left out. Ends when the run has ended and all was read, at once without `follow`;
   * a follow may also end early. An unknown run has no lines. Reads no faster than it is consumed.
   */
  logs(
    run: string,
    options: { follow: boolean; since?: string; signal?: AbortSignal },
  ): AsyncIterable<LogFrame>;
  /**
   * Hints that a run changed, above all that it ended (undefined: look at all). May come late, twice or never: no truth is in it.
   * @returns a function that ends it
   */
  watch(hint: (run: string | undefined) => void): () => void;
  /**
   * What runs of `user` hold outside their volumes, as far as the engine or this machine counts it.
   */
  written(user: string): Promise<Written>;
  /** Resource use of a running run; undefined where the runtime does not measure it, or after the run has ended. */
  usage(run: string): Promise<RunUsage | undefined>;
  /** Asks the engine. @returns what it lacks to start any run, for users; undefined: nothing. Fails when it does not answer */
  missing(): Promise<string | undefined>;
  /** How machines of this kind run here; undefined: that is not known yet. Absent where there are none. */
  machines?(kind: MachineKind): MachinesRun | undefined;
  /** Nodes of this edge; `True` when a pod can be started there now. */
  nodes(): Promise<NodeReport[]>;
  /** Gives back what the runs of `user` shared, unless one of them is left or being started. */
  tidy(user: string): Promise<void>;
  /** Images were made, replaced or deleted: what it keeps of those that are gone may go. */
  imagesChanged?(): void;
  /** Lets go of the engine; the pods run on. */
  close(): Promise<void>;
}
