import { randomBytes } from "node:crypto";
import fs from "node:fs";
import type { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Directory } from "../../files/directory.ts";
import { isMissing, openBeneath } from "../../files/open-beneath.ts";
import { packDirectory } from "../../files/pack-directory.ts";
import { hasUplinkMode } from "../../files/uplink-mark.ts";
import { NotReadable, readBounded } from "../archive/read-bounded.ts";
import { ContextNotes } from "./context-notes.ts";
import { IgnoreFile } from "./ignore-file.ts";

/** A build that cannot begin: `message` is a line for its log. */
export class ContextError extends Error {
  override readonly name = "ContextError";
}

/** Opens the context for the caller to close. @throws ContextError */
export function openContext(volume: Directory | undefined, path: string): Directory {
  const missing = `unable to prepare context: path ${JSON.stringify(path || ".")} not found`;
  if (!volume) throw new ContextError(missing);
  try {
    const opened = openBeneath(volume, path);
    if (opened.kind === "directory") return opened.directory;
    if (opened.kind === "file") fs.closeSync(opened.fd);
  } catch (error) {
    if (isMissing(error)) throw new ContextError(missing);
    throw readable(error, `unable to prepare context: path ${JSON.stringify(path)}`);
  }
  throw new ContextError(`unable to prepare context: path ${JSON.stringify(path)} is not a directory`);
}

/** The Dockerfile, anywhere in the volume. @throws ContextError */
export function readDockerfileFrom(volume: Directory, path: string): Buffer {
  const failed = `failed to read dockerfile: open ${path || "."}`;
  try {
    return readBounded(volume, path, LIMITS.dockerfileBytes);
  } catch (error) {
    if (isMissing(error)) throw new ContextError(`${failed}: no such file or directory`);
    throw readable(error, failed);
  }
}

export type PackedContext = {
  stream: Readable;
  /** where the Dockerfile is in it */
  dockerfile: string;
};

export type ContextOptions = {
  signal: AbortSignal;
  /** bytes of the files together */
  maxBytes: number;
  /** told once, before the stream ends, what of the context the engine does not get as it is on disk */
  note(lines: string[]): void;
};

/**
 * The tar that the engine builds from: the context without what .dockerignore leaves out, and the Dockerfile
 * under a name of its own, which the engine takes out again before anything is copied.
 * @throws ContextError
 */
export function packContext(context: Directory, dockerfile: string, options: ContextOptions): PackedContext {
  const name = `.perigee-dockerfile-${randomBytes(12).toString("hex")}`;
  const ignoreText = readIgnoreFile(context);
  const ignore = ignoreText && new IgnoreFile(ignoreText);
  const notes = new ContextNotes();
  const stream = packDirectory(context, {
    signal: options.signal,
    maxBytes: options.maxBytes,
    links: true,
    modeOf: (stats, path) => {
      if (!hasUplinkMode(stats)) return Number(stats.mode) & 0o7777;
      notes.add("sent with mode 0755, as an uplink brings no permissions", path);
      return 0o755;
    },
    leftOut: (path, why) => notes.add(`left out of the build context: ${why}`, path),
    filter: (path, kind, raw) => {
      if (path === ".dockerignore") return false;
      const bytes = Buffer.from(raw, "latin1");
      if (!ignore?.ignores(bytes)) return true;
      return kind === "directory" && ignore.mayHoldExceptions(bytes) && "enter";
    },
    finish: () => options.note(notes.lines()),
    extra: [
      // The engine drops a Dockerfile, and a .dockerignore, that the .dockerignore names.
      {
        path: ".dockerignore",
        content: Buffer.concat([ignoreText ?? Buffer.from(".dockerignore"), Buffer.from(`\n${name}\n`)]),
      },
      { path: name, content: Buffer.from(dockerfile) },
    ],
  });
  return { stream, dockerfile: name };
}

function readIgnoreFile(context: Directory): Buffer | undefined {
  try {
    return readBounded(context, ".dockerignore", LIMITS.ignoreFileBytes);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw readable(error, "failed to read .dockerignore");
  }
}

function readable(error: unknown, what: string): unknown {
  if (error instanceof NotReadable) return new ContextError(`${what}: ${error.message}`);
  if (error instanceof PerigeeError && error.code === "ILLEGAL_PATH") {
    return new ContextError(`${what}: leads through a link`);
  }
  return error;
}
