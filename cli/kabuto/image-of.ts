import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Attempt, Client } from "../client.ts";
import { CliFailure } from "../failure.ts";
import { collectFiles, type LocalFile } from "../files/collect.ts";
import { multipart } from "../http/multipart.ts";
import type { Patience } from "../patience.ts";
import type { Session } from "../session.ts";
import { ask, askAgain, lostContact } from "./api.ts";

type Image = { id: number; name: string };
export type ImageOptions = { name?: string; cache?: boolean };

const WAIT_S = 20;
const MOST_NAME = 128;

/**
 * The id of the image that is meant: one of the user's own by id or name; or that which is built of a Dockerfile, or of a
 * directory with one, which is the build's context. An image of that name gets the new content.
 * @throws CliFailure BUILD_FAILED with the end of the build's output, IMAGE_NOT_FOUND
 */
export async function imageOf(
  session: Session,
  source: string,
  options: ImageOptions,
  patience: Patience,
  key: string,
): Promise<number> {
  const { client } = session;
  const local = /^\d+$/.test(source) ? undefined : await stat(source).catch(() => undefined);
  const images = Object.values(
    (await ask(client, { method: "GET", path: "/image" }, patience)) as Record<string, unknown>,
  ) as Image[];
  if (!local) {
    const own = images.filter(({ id, name }) => String(id) === source || name === source).at(-1);
    if (own) return own.id;
    throw new CliFailure("IMAGE_NOT_FOUND", `there is no file here and no image of yours called ${source}`, {
      hint: "name a Dockerfile, a directory with one, or an image by its id or name",
    });
  }
  const directory = local.isDirectory();
  const file = directory ? join(source, "Dockerfile") : source;
  const { dockerfile, name } = await dockerfileOf(file, options.name);
  const files = directory ? await contextOf(session, source, file) : [];
  const known = images.filter((image) => image.name === name).at(-1);
  const fields = { name, dockerfile, nocache: options.cache === false ? "true" : undefined };
  const body = await ask(
    client,
    buildCall(session, fields, files, known),
    patience,
    known ? undefined : `${key}-image`,
  );
  if (typeof body.build_id !== "string") {
    throw new CliFailure("BAD_ANSWER", "the image is being built, but the answer does not name the build");
  }
  return untilBuilt(client, name, body.build_id, patience);
}

async function dockerfileOf(
  file: string,
  named: string | undefined,
): Promise<{ dockerfile: string; name: string }> {
  let dockerfile: string;
  try {
    dockerfile = await readFile(file, "utf8");
  } catch (error) {
    throw new CliFailure("LOCAL_FILE", `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  const own = basename(file) === "Dockerfile" ? basename(dirname(resolve(file))) : basename(file);
  return { dockerfile, name: named ?? (own.slice(0, MOST_NAME) || "image") };
}

/** What is beside the Dockerfile. */
async function contextOf({ output }: Session, directory: string, dockerfile: string): Promise<LocalFile[]> {
  const files = await collectFiles([`${directory}/.`], (text) => output.notice(text)).catch(
    (error: unknown) => {
      if (error instanceof CliFailure && error.code === "NO_FILES") return [];
      throw error;
    },
  );
  return files.filter(({ source }) => resolve(source) !== resolve(dockerfile));
}

function buildCall(
  session: Session,
  fields: Record<string, string | undefined>,
  files: LocalFile[],
  known: Image | undefined,
): Attempt {
  const to = known
    ? ({ method: "PUT", path: `/image/${known.id}` } as const)
    : ({ method: "POST", path: "/image" } as const);
  if (files.length === 0) return { ...to, json: fields };
  return { ...to, stream: attached(session, fields, files) };
}

/** A body with attachments, and how far it is. */
export function attached(
  { output }: Session,
  fields: Record<string, string | undefined>,
  files: LocalFile[],
): NonNullable<Attempt["stream"]> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  return () => {
    let done = 0;
    const sent = (bytes: number) => {
      done += bytes;
      output.step("uploading", { done, total });
    };
    return multipart(fields, files, sent, "attachments");
  };
}

async function untilBuilt(client: Client, name: string, build: string, patience: Patience): Promise<number> {
  const { output } = client.options;
  client.resumable = "the build goes on, and its image is among your own when it has ended";
  for (let wait = 1; ; wait = WAIT_S) {
    const path = `/image/build/${encodeURIComponent(build)}?wait=${wait}`;
    const body = await askAgain(client, path, wait, patience);
    if (body.state === "SUCCESS" && typeof body.id === "number") {
      output.clear();
      client.resumable = undefined;
      return body.id;
    }
    if (body.state !== "PENDING") throw buildFailed(name, body.error, body.output);
    const noContact = await lostContact(client);
    if (!noContact) patience.moving();
    else if (patience.blocked() <= 0) {
      throw new CliFailure("EM_UNREACHABLE", `image ${name} is not built yet: ${noContact}`, {
        hint: client.resumable ?? "",
      });
    }
    output.waiting(`image ${name}: ${noContact ? `build queued, ${noContact}` : "building"}`, {
      build_id: build,
    });
    // a ground that does not wait
    await patience.pause(100);
  }
}

function buildFailed(name: string, error: unknown, output: unknown): CliFailure {
  const said = Array.isArray(output) ? (output as { stream?: unknown; error?: unknown }[]) : [];
  const lines = said.map(({ stream, error: wrong }) => String(stream ?? wrong ?? "").trimEnd());
  const one = typeof output === "string" && output ? [output] : lines.filter((line) => line !== "");
  return new CliFailure("BUILD_FAILED", `image ${name} was not built: ${String(error)}`, {
    fields: { log_tail: one.slice(-100) },
  });
}
