import type { Readable } from "node:stream";
import type { ImageName } from "#protocol/image-reference.ts";

/** An image found by name: run it by `id`; `reference` is the name it has in the engine. */
export type ResolvedImage = { id: string; reference: string };

/** A user's image; `size` in bytes, `created` in ms since 1970 (when it was built or loaded). */
export type OwnImage = ImageName & { id: string; size: number; created: number };

export type ImageDetails = {
  id: string;
  /** bytes */
  size: number;
  os: string;
  architecture: string;
  /** instructions that run when something is built on it */
  onBuild: string[];
  /** `NAME=value` */
  env: string[];
  /** paths at which each container gets a volume of its own */
  volumes: string[];
  /** TCP ports that it says it listens on */
  ports: number[];
  labels: Record<string, string>;
  /** of SHELL; empty: the engine's default */
  shell: string[];
};

export type Work = {
  /** the command's id: names what is made until it is committed */
  command: string;
  user: string;
  signal: AbortSignal;
  /** one line of the engine's log, without its end */
  onLine(line: string): void;
};

export type BuildWork = Work & {
  /** tar of the context, the Dockerfile in it */
  context: Readable;
  /** name of the Dockerfile in the context */
  dockerfile: string;
  /** what its stages stand on, as it names them (default: it is not known) */
  bases?: readonly string[];
  /** bytes that its steps may write together; over it the work ends with QUOTA_EXCEEDED */
  maxBytes: number;
  /** no step is taken from the engine's cache (default false) */
  noCache?: boolean;
  /** bytes beneath a directory of the host */
  measure?(directory: string): Promise<number>;
};

export type LoadWork = Work & {
  /** an archive of our own making with one image, tagged `reference` */
  archive: Readable;
};

/** The engine refused or broke off: the lines say why. Becomes BUILD_FAILED or IMAGE_LOAD_FAILED. */
export class ImageWorkFailed extends Error {
  override readonly name = "ImageWorkFailed";
}

/**
 * Images on the edge: what users built and loaded, and what is public onboard. Ownership is the agent's
 * durable record, never a name's prefix. An owner is a user, or a user in a name space, `<user>.<space>` ({@link inSpace});
 * images of a space are not visible outside of it, not even to the same user. Every method throws PerigeeError
 * ENGINE_UNAVAILABLE when the engine does not answer.
 */
export interface ImageStore {
  /**
   * What `reference` means for `owner`: the owner's own image, else a public one, else undefined. An image ID
   * or a prefix of one matches nothing.
   */
  resolve(owner: string, reference: string): Promise<ResolvedImage | undefined>;
  /** The owner's images by name and tag. */
  list(owner: string): Promise<OwnImage[]>;
  /** Bytes of the user's images in all spaces; what they share with each other or with public ones counts once or not. */
  usage(user: string): Promise<number>;
  /** {@link usage} and {@link list} of one look at the engine. */
  holdings(user: string): Promise<{ bytes: number; own: OwnImage[] }>;
  /** As {@link usage}, were `id` committed as `image`. */
  usageWith(owner: string, image: ImageName, id: string): Promise<number>;
  /** Why `image` cannot be a name of `owner`'s (a public image has the engine's name of it); undefined if it can. */
  refusal(owner: string, image: ImageName): string | undefined;
  /** An image by its whole ID; undefined when the engine has none. */
  inspect(id: string): Promise<ImageDetails | undefined>;
  /** Runs a program in a container of the image. @returns why it failed; undefined when it ended well */
  tryOut(id: string, argv: readonly string[]): Promise<string | undefined>;
  /**
   * Does `work`, a build from its plan to its name; what it leaves in the engine meanwhile is not cleaned away, however
   * many build at once.
   */
  building<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Builds; the image stays under a temporary name. @throws ImageWorkFailed (also for an image with labels
   * that are reserved), the signal's reason
   */
  build(work: BuildWork): Promise<string>;
  /** Loads an archive that holds one image, tagged {@link temporaryName}. @throws ImageWorkFailed, the signal's reason */
  load(work: LoadWork): Promise<string>;
  /** An archive of the image of this ID, as the engine writes it, without names. Its reader gets ENGINE_UNAVAILABLE. */
  save(id: string, signal: AbortSignal): Readable;
  /** The engine's name of a command's image until it is committed. */
  temporaryName(command: string): string;
  /** Makes `id` the owner's `image`, in place of what had the name. May be repeated. */
  commit(owner: string, image: ImageName, id: string, command: string): Promise<void>;
  /** Drops what a command left that was not committed; what that leaves nameless is cleaned away soon. May be repeated. */
  discard(command: string): Promise<void>;
  /** Resolves when what was to be cleaned away soon has been, or could not be now. */
  settled(): Promise<void>;
  /**
   * While this is held nothing is cleaned away that a build may stand on between two of its steps; what was to go goes
   * with the next {@link discard} after it.
   */
  holdParts(): Disposable;
  /** Is `image` recorded as the owner's? */
  owns(owner: string, image: ImageName): boolean;
  /** Takes the name away, and the image with its last name. May be repeated; a name that is not there is no error. */
  remove(owner: string, image: ImageName): Promise<void>;
  /**
   * Adds an image of the engine to the public ones.
   * @throws PerigeeError IMAGE_NOT_FOUND, ALREADY_EXISTS (a user's), INVALID_PARAMETERS (it has a reserved label)
   */
  publish(reference: string): Promise<void>;
  /**
   * At the agent's start: reads the public list on the first one and clears what cut commands left, except what will
   * come again. To be repeated when it throws; everything else here does it first where it was not done.
   */
  start(): Promise<void>;
  /** What the engine runs: `linux` and for example `amd64`. */
  platform(): Promise<{ os: string; architecture: string }>;
  /** `key=value …`: the arguments of a LABEL that marks what `user` builds */
  label(user: string): string;
  /** ID of a copy of the image without its ONBUILD triggers; goes with the next {@link discard} unless built on */
  withoutTriggers(user: string, id: string): Promise<string>;
  /** Other names before a `/` that mean the images onboard. */
  readonly registries: readonly string[];
}
