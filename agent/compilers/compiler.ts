import type { MachineKind } from "#protocol/machines.ts";
import type { Manifest } from "./manifest.ts";

/** Images with the tools of a language, as the agent's configuration names them; `vm`: that of virtual machines. */
export type Toolchain = "go" | "nodejs" | "python" | "java" | "c" | "vm";

/** IDs of the images with the tools, by language. */
export type Toolchains = Partial<Record<Toolchain, string | undefined>>;

/** What a compiler sees of the sources. */
export type Sources = {
  manifest: Manifest;
  /** what is at the root, directories with a slash at their end */
  names: readonly string[];
  /** what is in a directory, as {@link names}; nothing when there is no such directory */
  namesIn(path: string): readonly string[];
  /** a file's beginning; undefined when there is no such file */
  read(path: string): Buffer | undefined;
  /** may the file be executed? */
  isExecutable(path: string): boolean;
  /** of the application, after its own words */
  args: readonly string[];
  /** directories that the image is to have */
  mountPoints: readonly string[];
};

/** How sources of one language become an image: data, and one pure function. */
export type Compiler = {
  base: string;
  language: string;
  providers: readonly string[];
  /** for users: how to prepare an application */
  description: string;
  /** the machines that its images run in; absent: none */
  machine?: MachineKind;
  /** what it needs on the edge */
  toolchain?: Toolchain;
  /** program that ends well in the toolchain's image when that is fit for it */
  check?: readonly string[];
  /** The Dockerfile that makes the image, with the sources as its context. @throws PerigeeError SOURCES_REFUSED */
  dockerfile(sources: Sources): string;
};

/** What `FROM` calls the toolchain's image: no user's image can have this name. */
export const TOOLCHAIN = "perigee-toolchain:this";

/** Where the sources are in an image: the application's working directory. */
export const ROOT = "/app";
