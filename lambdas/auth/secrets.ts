import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { TokenKey } from "./tokens.ts";

const SECRET_BYTES = 32;
/** Earlier token secrets that are still accepted after a rotation. */
const KEPT_BEFORE = 1;

/** The keys that the ground signs with. They are never logged or sent, and have no default values. */
export type Secrets = {
  /** for users' tokens: the current key, then the previous one */
  tokens: TokenKey[];
  /** for staging's signed URLs, 32 bytes */
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
 * The secrets of `<data>/secrets.json`; creates the file (mode 0600) when it is absent. Two processes that
 * start at the same time get the same secrets.
 * @throws Error when the file exists but is not valid
 */
export async function loadSecrets(data: string): Promise<Secrets> {
  const path = join(data, "secrets.json");
  try {
    return await read(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  await mkdir(data, { recursive: true, mode: 0o700 });
  // Unlike a rename, a link fails when another process was first; then its secrets are used.
  await place(data, path, { tokens: [newKey()], staging: randomBytes(SECRET_BYTES) }, link, "EEXIST");
  return read(path);
}

/**
 * Makes a new token secret. New tokens are signed with it; tokens of the previous one stay valid until they expire or
 * until the next rotation. Servers use it from their next start on.
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
  // Neither the text nor the parser's message, which quotes it, may be logged.
  if (!parsed.success) throw new Error(`${path} does not hold Perigee's secrets; restore it, or remove it`);
  return { tokens: parsed.data.tokens, staging: parsed.data.staging };
}

/** Writes a complete, durable file beside `path`, then puts it in place with `put`. */
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
