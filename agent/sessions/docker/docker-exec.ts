import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import type { ActingUser } from "#protocol/live.ts";
import { isConnectionError, messageOf, statusOf } from "../../engine/engine-call.ts";
import { orAborted } from "../../or-aborted.ts";
import { cleanStartError } from "../../pods/clean-start-error.ts";
import { LABEL } from "../../pods/labels.ts";
import type { ContainerExec, RawExec, RawSpec } from "../container-exec.ts";
import { notRunning, SessionFailure } from "../pod-sessions.ts";
import { HijackedExec } from "./hijacked-exec.ts";

export type DockerExecOptions = {
  docker: Docker;
  /** label of what this agent made: it works in nothing else */
  instance: string;
  /** name of a run's container */
  nameOf(run: string): string;
  /** ms after which a call that the engine does not answer fails; default 30 000 */
  timeoutMs?: number;
};

const TIMEOUT_MS = 30_000;
/** How long after the end of a program's streams the engine may take to know its exit code. */
const EXIT_MS = 5_000;
/** After the kill of a program that nobody waited for, it may be the container's own: how often and when that is asked. */
const ENDED_LOOKS = 5;
const ENDED_LOOK_MS = 100;
const NO_USER = /unable to find user user\b/;
/** of an image that has no user `user` */
const USER_1000 = "1000:1000";
const MOST_KNOWN = 1_000;

/** Programs by the exec API of the engine (1.41). */
export class DockerExec implements ContainerExec {
  readonly #options: Required<DockerExecOptions>;
  /** what `user` is called, by container's name: the image may have none */
  readonly #users = new Map<string, "user" | typeof USER_1000>();

  constructor(options: DockerExecOptions) {
    this.#options = { timeoutMs: TIMEOUT_MS, ...options };
  }

  async start(run: string, spec: RawSpec, signal: AbortSignal): Promise<RawExec> {
    const container = this.#container(run);
    // asked beside the first call for the start, which does nothing yet
    const checked = this.#check(container, signal);
    checked.catch(() => undefined);
    const start = (user: string | undefined) => this.#start(container, { spec, user, checked }, signal);
    if (spec.as !== "user") return start(nameOf(spec.as));
    const known = this.#users.get(container.id);
    if (known) return start(known);
    const tried = await start("user");
    try {
      await orAborted(tried.heard(), signal);
    } catch (error) {
      tried.cut();
      throw error;
    }
    if (tried.unheard && (await isUnknownUser(tried))) {
      this.#know(container.id, USER_1000);
      return start(USER_1000);
    }
    this.#know(container.id, "user");
    return tried;
  }

  close(): void {
    // executions have connections of their own
  }

  async #start(
    container: Docker.Container,
    {
      spec: { argv, terminal },
      user,
      checked,
    }: { spec: RawSpec; user: string | undefined; checked: Promise<void> },
    signal: AbortSignal,
  ): Promise<HijackedExec> {
    return this.#call(signal, async (abortSignal) => {
      const made = container.exec({
        Cmd: [...argv],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: terminal,
        ...(user !== undefined && { User: user }),
        abortSignal,
      });
      const [exec] = await Promise.all([made, checked]);
      abortSignal.throwIfAborted();
      const socket = (await exec.start({ hijack: true, stdin: true, Tty: terminal })) as Duplex;
      if (abortSignal.aborted) socket.destroy();
      const began = new HijackedExec(socket, {
        terminal,
        resize: ({ rows, columns }) =>
          this.#call(AbortSignal.timeout(this.#options.timeoutMs), () =>
            exec.resize({ h: rows, w: columns }),
          ),
        exit: () => this.#exitOf(container, exec, began.beginning, argv),
        runsOn: () =>
          this.#inspect(exec).then(
            ({ Running }) => Running,
            () => false,
          ),
      });
      return began;
    });
  }

  /** The run's container, by its name: no two ever have the same. */
  #container(run: string): Docker.Container {
    const { docker, nameOf } = this.#options;
    try {
      return docker.getContainer(nameOf(run));
    } catch (error) {
      throw notRunning(error);
    }
  }

  /** @throws SessionFailure unless it is this agent's and runs */
  async #check(container: Docker.Container, signal: AbortSignal): Promise<void> {
    const found = await this.#call(signal, () => container.inspect());
    const mine = found.Config.Labels?.[LABEL.instance] === this.#options.instance;
    if (!mine || !found.State.Running) throw notRunning();
  }

  async #exitOf(
    container: Docker.Container,
    exec: Docker.Exec,
    beginning: Buffer,
    argv: readonly string[],
  ): Promise<number> {
    const end = performance.now() + EXIT_MS;
    for (let wait = 5; ; wait = Math.min(wait * 2, 200)) {
      const { ExitCode, Pid, Running } = await this.#inspect(exec);
      if (!Running && ExitCode !== null) {
        if (!Pid) {
          const running = await this.#isRunning(container);
          if (!running) throw notRunning();
          throw new SessionFailure("CANNOT_START", cleanStartError(beginning.toString(), argv));
        }
        // The engine ends what runs in a container before it says that the container has ended.
        if (ExitCode === 137 && (await this.#hasEnded(container))) throw notRunning();
        return ExitCode;
      }
      if (performance.now() > end) {
        if (!(await this.#isRunning(container))) throw notRunning();
        throw new SessionFailure("ENGINE", "the engine's stream broke off");
      }
      await sleep(wait);
    }
  }

  #inspect(exec: Docker.Exec): Promise<Docker.ExecInspectInfo> {
    return this.#call(AbortSignal.timeout(this.#options.timeoutMs), () => exec.inspect());
  }

  async #isRunning(container: Docker.Container): Promise<boolean> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMs);
    return (await this.#call(timeout, () => container.inspect())).State.Running;
  }

  /** Has it ended, or does it within a moment? */
  async #hasEnded(container: Docker.Container): Promise<boolean> {
    for (let n = 0; await this.#isRunning(container); n++) {
      if (n === ENDED_LOOKS) return false;
      await sleep(ENDED_LOOK_MS);
    }
    return true;
  }

  /** Within its time. @throws SessionFailure; the reason of `signal` */
  async #call<T>(signal: AbortSignal, call: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    const late = AbortSignal.timeout(this.#options.timeoutMs);
    const either = AbortSignal.any([signal, late]);
    try {
      return await orAborted(call(either), either);
    } catch (error) {
      signal.throwIfAborted();
      throw failureOf(error);
    }
  }

  #know(container: string, user: "user" | typeof USER_1000): void {
    if (this.#users.size >= MOST_KNOWN) this.#users.clear();
    this.#users.set(container, user);
  }
}

/** The engine reads the container's own list of users at the start. */
async function isUnknownUser(exec: HijackedExec): Promise<boolean> {
  try {
    await exec.exit();
    return false;
  } catch (error) {
    return error instanceof SessionFailure && NO_USER.test(error.message);
  }
}

function nameOf(as: ActingUser): string | undefined {
  return as === "own" ? undefined : "0:0";
}

function failureOf(error: unknown): Error {
  if (error instanceof SessionFailure) return error;
  const status = statusOf(error);
  if (status === 404 || status === 409) return notRunning(error);
  const away = isConnectionError(error) || (error as Error).name === "TimeoutError";
  const message = away ? "the container engine does not answer" : cleanStartError(messageOf(error), []);
  return new SessionFailure("ENGINE", message, { cause: error });
}
