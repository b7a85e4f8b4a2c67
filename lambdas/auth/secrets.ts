import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { TokenKey } from "./tokens.ts";

const SECRET_BYTES = 32;
/** Earlier token secrets and sealing keys that are still accepted after a rotation. */
const KEPT_BEFORE = 1;

/** The keys that the ground signs with. They are never logged or sent, and have no default values. */
export type Secrets = {
  /** for users' tokens: the current key, then the previous one */
  tokens: TokenKey[];
  /** for staging's signed URLs, 32 bytes */
  staging: Uint8Array;
  /** seal the users' secrets that have to be read again, 32 bytes each: the current key, then the previous one */
  seals: Uint8Array[];
};

const secret = z
  .base64url()
  .transform((text) => Buffer.from(text, "base64url"))
  .refine((bytes) => bytes.length >= SECRET_BYTES, "too short");
const secretsFile = z.object({
  version: z.literal(1),
  tokens: z.array(z.object({ kid: z.string().min(1), secret })).min(1),
  staging: secret,
  /** absent in files of versions that sealed nothing */
  seals: z
    .array(secret.refine((bytes) => bytes.length === SECRET_BYTES, "too long"))
    .min(1)
    .optional(),
});

/**
 * The secrets of `<data>/secrets.json`; creates the file (mode 0600) when it is absent. Two processes that
 * start at the same time get the same secrets.
 * @throws Error when the file exists but is not valid
 */
export async function loadSecrets(data: string): Promise<Secrets> {
  const path = join(data, "secrets.json");
  try {
    const { seals, ...before } = await read(path);
    if (seals) return { ...before, seals };
    await place(data, path, { ...before, seals: [randomBytes(SECRET_BYTES)] }, rename);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await mkdir(data, { recursive: true, mode: 0o700 });
    // Unlike a rename, a link fails when another process was first; then its secrets are used.
    await place(data, path, newSecrets(), link, "EEXIST");
  }
  return readWhole(path);
}

/**
 * Makes a new token secret. New tokens are signed with it; tokens of the previous one stay valid until they expire or
 * until the next rotation. Servers use it from their next start on.
 */
export async function rotateTokenSecret(data: string): Promise<void> {
  const before = await loadSecrets(data);
  const tokens = [newKey(), ...before.tokens.slice(0, KEPT_BEFORE)];
  await place(data, join(data, "secrets.json"), { ...before, tokens }, rename);
}

/**
 * Makes a new key that seals users' secrets. What the previous one sealed opens until the next rotation. Servers use it
 * from their next start on.
 */
export async function rotateSealKey(data: string): Promise<void> {
  const before = await loadSecrets(data);
  const seals = [randomBytes(SECRET_BYTES), ...before.seals.slice(0, KEPT_BEFORE)];
  await place(data, join(data, "secrets.json"), { ...before, seals }, rename);
}

async function readWhole(path: string): Promise<Secrets> {
  const { seals, ...rest } = await read(path);
  if (!seals) throw new Error(`${path} has no key that seals secrets`);
  return { ...rest, seals };
}

async function read(path: string): Promise<Omit<Secrets, "seals"> & { seals: Uint8Array[] | undefined }> {
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
  const { tokens, staging, seals } = parsed.data;
  return { tokens, staging, seals };
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
    seals: secrets.seals.map(text),
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

function newSecrets(): Secrets {
  return { tokens: [newKey()], staging: randomBytes(SECRET_BYTES), seals: [randomBytes(SECRET_BYTES)] };
}

function newKey(): TokenKey {
  return { kid: randomBytes(8).toString("hex"), secret: randomBytes(SECRET_BYTES) };
}
