/** What a device says of itself. `state` is the driver's own word. */
export type DeviceState = { state: string; status?: string };

/** What probing found. */
export type DeviceProbe = {
  /** name of the adapter */
  adapter: string;
  /** what its driver calls itself */
  driver?: string;
  /** formats that it takes by default */
  formats: readonly string[];
};

export type LoadOptions = {
  /** only a part of the device is programmed */
  partial: boolean;
  /** ends the load where it can still be ended */
  signal: AbortSignal;
};

/** Codes of loads that fail; the text of a failure begins with one. */
export type LoadCode = "NO_DEVICE" | "NOT_STORED" | "LOAD_FAILED" | "LOAD_TIMEOUT";

/** A load that did not succeed: nothing may be started that relies on it. */
export class LoadError extends Error {
  override readonly name = "LoadError";
  readonly code: LoadCode;
  /** what driver and kernel said, at most a few hundred bytes */
  readonly driver: DeviceState | undefined;

  constructor(code: LoadCode, message: string, options: { driver?: DeviceState; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.driver = options.driver;
  }
}

/** @throws LoadError for what is no digest: it becomes a name in a directory of the system's */
export function assertDigest({ sha256 }: LoadFile): void {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new LoadError("LOAD_FAILED", "the file has no digest");
}

/** A file to program a device with: `payloadAt` and `payloadBytes` are the part of it that the device gets. */
export type LoadFile = { path: string; sha256: string; payloadAt: number; payloadBytes: number };

/**
 * One device that can be programmed. Calls for one device are made one after the other by who uses it.
 */
export interface FpgaProgrammer {
  /** Is the device there? It changes nothing; undefined when this adapter has nothing to load with. */
  probe(): Promise<DeviceProbe | undefined>;
  /**
   * Programs the device. When it resolves, the device itself has said that it works with this file: what it said
   * before counts for nothing.
   * @throws LoadError; whatever else it throws, the state of the device is not known
   */
  load(file: LoadFile, options: LoadOptions): Promise<DeviceState>;
  /** What the device says now. @throws LoadError NO_DEVICE */
  current(): Promise<DeviceState>;
}
