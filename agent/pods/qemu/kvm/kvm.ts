import type Docker from "dockerode";
import { withinTime } from "../../docker/within-time.ts";
import { findKvm, KVM, type KvmAccess } from "./kvm-access.ts";
import { startTestMachine, sweepTestMachines, type TestMachine } from "./test-machine.ts";

/** {@link Kvm.close} waits at most so long (ms) until a test machine is removed. */
const CLOSE_MS = 2_000;

export type KvmOptions = {
  docker: Docker;
  /** label of what this agent makes */
  instance: string;
  /** false: the operator leaves it out */
  wanted?: boolean;
  /** called once with the reason where there is a device and it is not used */
  warn?(message: string): void;
  /** default: looks for the device on this machine */
  find?: typeof findKvm;
  /** of the test machine, ms */
  bootMs?: number;
};

/** One test machine, of the image that machines run in. */
type Trial = { image: string; access: Promise<KvmAccess | undefined> };

/** The host's own virtualisation, which machines use only after a test machine has booted with it. */
export class Kvm {
  readonly #options: KvmOptions;
  readonly #closing = new AbortController();
  #sweeping: Promise<number> | undefined;
  #trial: Trial | undefined;
  #machine: TestMachine | undefined;
  #known: { access: KvmAccess | undefined } | undefined;
  #onKnown: (() => void) | undefined;

  constructor(options: KvmOptions) {
    this.#options = options;
  }

  /** What machines are given to use it, as far as it is known to work. */
  get access(): KvmAccess | undefined {
    return this.#known?.access;
  }

  /** undefined: not known yet */
  get works(): boolean | undefined {
    return this.#known && this.#known.access !== undefined;
  }

  /** @param told called whenever it becomes known whether it works */
  onKnown(told: () => void): void {
    this.#onKnown = told;
  }

  /**
   * What machines of this image are given to use it; undefined: they are emulated. There is one test machine for each
   * image, which all who ask wait for; one that the engine's silence kept from its end is tried again. Never fails.
   * @param image ID of the image that machines run in
   */
  of(image: string): Promise<KvmAccess | undefined> {
    if (this.#trial?.image === image) return this.#trial.access;
    const trial: Trial = { image, access: Promise.resolve(undefined) };
    this.#trial = trial;
    trial.access = this.#settle(trial).catch(() => {
      if (this.#trial === trial) this.#trial = undefined;
      return undefined;
    });
    return trial.access;
  }

  /** Removes test machines that agents before left. @returns how many are still there */
  sweep(): Promise<number> {
    const { docker, instance } = this.#options;
    this.#sweeping ??= sweepTestMachines(docker, instance);
    this.#sweeping.catch(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#machine) await withinTime(this.#machine.gone, CLOSE_MS).catch(() => undefined);
  }

  async #settle(trial: Trial): Promise<KvmAccess | undefined> {
    const { wanted = true, find = findKvm, warn } = this.#options;
    const found = wanted ? find() : undefined;
    const failure = typeof found === "object" ? await this.#try(trial.image, found) : found;
    if (failure !== undefined) warn?.(`machines are emulated, without ${KVM}: ${failure}`);
    const access = typeof found === "object" && failure === undefined ? found : undefined;
    // another image may be asked for by now
    if (this.#trial !== trial) return access;
    this.#known = { access };
    this.#onKnown?.();
    return access;
  }

  /** @returns why it does not work. @throws when the engine does not answer, or this is closed */
  async #try(image: string, kvm: KvmAccess): Promise<string | undefined> {
    const { docker, instance, bootMs } = this.#options;
    if ((await this.sweep()) > 0) return "a test machine of before cannot be removed";
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const options = { instance, image, kvm, signal, ...(bootMs !== undefined && { bootMs }) };
    this.#machine = startTestMachine(docker, options);
    return this.#machine.failure;
  }
}
