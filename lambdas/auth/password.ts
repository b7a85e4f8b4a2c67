import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { PerigeeError } from "#protocol/errors.ts";
import { Gate } from "./gate.ts";

/** log2 N, r and p of scrypt, kept with each hash. */
export type PasswordCost = Readonly<{ ln: number; r: number; p: number }>;

/** Of new hashes: 64 MiB and about a quarter of a second each. */
const COST: PasswordCost = { ln: 16, r: 8, p: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** A hash takes 64 MiB and one of Node's four worker threads, so their number is bounded per process. */
const gate = new Gate(2, 200);

const PHC = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
/** Compared when there is no such user: no password has this hash, and checking it takes as long. */
const nobody = (cost: PasswordCost) => phc(cost, Buffer.alloc(SALT_BYTES), Buffer.alloc(HASH_BYTES));

export const PASSWORD_RULE = "must be 8 to 256 characters";

/** The rule for passwords that the operator sets. @throws INVALID_PARAMETERS when a new one breaks it */
export function checkPassword(password: string): void {
  const length = [...password].length;
  if (length >= 8 && length <= 256 && password.isWellFormed()) return;
  throw new PerigeeError("INVALID_PARAMETERS", `password: ${PASSWORD_RULE}`);
}

/** Hash of a new password, as `$scrypt$ln=16,r=8,p=1$<salt>$<hash>`; who sets it has checked its rule. */
export async function hashPassword(password: string, cost = COST): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  return phc(cost, salt, await derive(password, salt, cost, HASH_BYTES));
}

/**
 * Is `password` the one of `hash`? Without a hash (no such user) it takes as long as with one of `cost` and is false.
 * @throws TOO_MANY_ATTEMPTS when 200 others wait for their turn
 */
export async function verifyPassword(
  password: string,
  hash: string | undefined,
  cost = COST,
): Promise<boolean> {
  const match = PHC.exec(hash ?? nobody(cost));
  if (!match) throw new Error("a stored password hash is not readable");
  const [ln, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [salt, expected] = [Buffer.from(match[4]!, "base64"), Buffer.from(match[5]!, "base64")];
  // Truncated instead of refused, so that an overlong password takes as long to check as any other.
  const actual = await derive(password.slice(0, 1024), salt, { ln, r, p }, expected.length);
  return timingSafeEqual(actual, expected) && hash !== undefined && password.length <= 1024;
}

function derive(password: string, salt: Buffer, { ln, r, p }: PasswordCost, length: number): Promise<Buffer> {
  const N = 2 ** ln;
  const options = { N, r, p, maxmem: 128 * r * (N + p + 2) };
  return gate.run(
    () =>
      new Promise((resolve, reject) => {
        // Normalised, so that a password is the same however a keyboard composes accents.
        scrypt(password.normalize("NFC"), salt, length, options, (error, key) =>
          error ? reject(error) : resolve(key),
        );
      }),
  );
}

function phc({ ln, r, p }: PasswordCost, salt: Buffer, hash: Buffer): string {
  const text = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
  return `$scrypt$ln=${ln},r=${r},p=${p}$${text(salt)}$${text(hash)}`;
}
