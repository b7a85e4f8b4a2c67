import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { TokenKey } from "./tokens.ts";

const SECRET_BYTES = 32;
/** Earlier token secrets that are still accepted after a rotation. */
const KEPT_BEFORE = 1;

/** What the ground signs with. Never logged, never sent; none has a default value. */
export type Secrets = {
  /** of the users' tokens: the current key, then the one before */
  tokens: TokenKey[];
  /** of staging's signed URLs, 32 bytes */
  staging: Uint8Array;
};

const secret = z
  .base64url()
  .transform((text) => Buffer.from(text, "base64url"))
  .refine((bytes) => bytes.length >= SECRET_BYTES, "too short");
const secretsFile = z.object({
  version: z.literal(1),
  tokens: z.array(z.object({ kid: z.string().min(1), secret })).min(1),
  staging: secret,
});

/**
 * The secrets of `<data>/secrets.json`; makes them (mode 0600) when there are none. Two processes that
 * start at once get the same ones.
 * @throws Error when the file is there but not readable as secrets
 */
export async function loadSecrets(data: string): Promise<Secrets> {
  const path = join(data, "secrets.json");
  try {
    return await read(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  await mkdir(data, { recursive: true, mode: 0o700 });
  // A link, unlike a rename, fails when another process was first; then its secrets are ours too.
  await place(data, path, { tokens: [newKey()], staging: randomBytes(SECRET_BYTES) }, link, "EEXIST");
  return read(path);
}

/**
 * Makes a new token secret: new tokens carry it, those of the one before live on until they expire or
 * until the next rotation. Servers use it from their next start.
 */
export async function rotateTokenSecret(data: string): Promise<void> {
  const { tokens, staging } = await loadSecrets(data);
  await place(
    data,
    join(data, "secrets.json"),
    { tokens: [newKey(), ...tokens.slice(0, KEPT_BEFORE)], staging },
    rename,
  );
}

async function read(path: string): Promise<Secrets> {
  const text = await readFile(path, "utf8");
  await chmod(path, 0o600);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const parsed = secretsFile.safeParse(json);
  // Neither the text nor the parser's message, which quotes it, may reach a log.
  if (!parsed.success) throw new Error(`${path} does not hold Perigee's secrets; restore it, or remove it`);
  return { tokens: parsed.data.tokens, staging: parsed.data.staging };
}

/** Writes a whole, durable file beside `path`, then puts it there with `put`. */
async function place(
  data: string,
  path: string,
  secrets: Secrets,
  put: (from: string, to: string) => Promise<void>,
  tolerated?: string,
): Promise<void> {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  const json = {
    version: 1,
    tokens: secrets.tokens.map((key) => ({ kid: key.kid, secret: text(key.secret) })),
    staging: text(secrets.staging),
  };
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(json, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await put(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== tolerated) throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
  const directory = await open(data, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function newKey(): TokenKey {
  return { kid: randomBytes(8).toString("hex"), secret: randomBytes(SECRET_BYTES) };
}
