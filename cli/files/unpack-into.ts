import { isUtf8 } from "node:buffer";
import { chmod, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CliFailure } from "../failure.ts";
import { safe } from "../output/text.ts";

/** What was unpacked. */
export type Unpacked = { files: number; directories: number; bytes: number };

/**
 * Unpacks an archive into the new directory `target`, completely or not at all: into a temporary directory beside it
 * that is renamed at the end. Below it is only what `unpack` made itself, so no link leads out.
 * @throws CliFailure LOCAL_FILE, BAD_ANSWER
 */
export async function unpackInto(
  target: string,
  signal: AbortSignal,
  unpack: (root: string) => Promise<Unpacked>,
): Promise<Unpacked> {
  const fresh = await mkdtemp(join(dirname(target), ".perigee-extract-"));
  try {
    const found = await unpack(fresh);
    await chmod(fresh, 0o777 & ~process.umask());
    // Fails when `target` was created meanwhile: a rename replaces nothing but an empty directory.
    await rename(fresh, target);
    return found;
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (error instanceof CliFailure || signal.aborted) throw error;
    throw new CliFailure("LOCAL_FILE", `cannot unpack to ${target}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** How an archive is called in errors, and what its user can do instead of unpacking it. */
export type Archive = { kind: "tar" | "zip"; hint: string };

/** Components of an entry's path. @throws CliFailure BAD_ANSWER for one that leads out of the directory */
export function entryParts(name: Buffer, { kind, hint }: Archive): string[] {
  const text = name.toString("latin1");
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  if (text.startsWith("/") || text.includes("\0") || parts.includes("..")) {
    throw new CliFailure(
      "BAD_ANSWER",
      `the ${kind} contains a path outside of its directory: ${shown(name)}`,
      { hint },
    );
  }
  return parts;
}

/** The path of an entry below the directory, as the bytes that it has. */
export function below(root: string, parts: readonly string[]): Buffer {
  return Buffer.concat([Buffer.from(root), ...parts.map((part) => Buffer.from(`/${part}`, "latin1"))]);
}

/** Errors that are about the name itself: trying again would not help. */
const NAME_ERRORS = ["EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "EILSEQ", "EINVAL"];

/** Makes something of an entry's name. @throws CliFailure LOCAL_FILE that shows a name that cannot be made here */
export async function making<T>(name: Buffer, { hint }: Archive, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!NAME_ERRORS.includes(code ?? "")) throw error;
    throw new CliFailure("LOCAL_FILE", `${shown(name)} cannot be unpacked here: ${message}`, {
      cause: error,
      hint,
    });
  }
}

/** A name as text for people, whatever its bytes are. */
export function shown(name: Buffer): string {
  return safe(
    isUtf8(name) ? name.toString() : `${JSON.stringify(name.toString())} (a name that is not UTF-8)`,
  );
}
