import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { BoundedMap } from "#protocol/bounded-map.ts";
import { ReadAgain } from "../../../auth/read-again.ts";
import type { SealKeys } from "../../../auth/seal-keys.ts";

/** A secret under AES-256-GCM: nonce, tag and ciphertext in Base64url. */
export type SealedSecret = string;

const NONCE = 12;
const TAG = 16;
/** Secrets that a process remembers: each request that one has signed needs it. */
const MOST_REMEMBERED = 1000;

/** What a sealed secret belongs to: it opens for nothing else. */
export type SealedFor = { accessKey: string; project: string };

/**
 * Seals secrets that have to be read again, as signatures are verified with them.
 * Keys are 32 bytes each: the first seals, all of them open, so that one may be replaced by a new one in front of it.
 */
export class SecretSeal {
  readonly #keys: ReadAgain<readonly Uint8Array[]>;
  /** what was opened, by what it was sealed as and for */
  readonly #opened = new BoundedMap<string, string>(MOST_REMEMBERED);

  /** @param keys a function is called when the first secret is sealed or opened, and when none of its keys opens one */
  constructor(keys: SealKeys) {
    if (typeof keys !== "function") checked(keys);
    this.#keys = new ReadAgain(async () => checked(typeof keys === "function" ? await keys() : keys));
  }

  async seal(secret: string, of: SealedFor): Promise<SealedSecret> {
    const [key] = await this.#keys.get();
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv("aes-256-gcm", key!, nonce).setAAD(boundTo(of));
    const text = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64url");
  }

  /** @returns undefined when no key opens it, it was changed, or it belongs to another key or project */
  async open(sealed: SealedSecret, of: SealedFor): Promise<string | undefined> {
    const name = `${boundTo(of)}:${sealed}`;
    const known = this.#opened.get(name);
    if (known !== undefined) return known;
    const bytes = Buffer.from(sealed, "base64url");
    if (bytes.length < NONCE + TAG) return undefined;
    // another process may seal with a newer key
    const secret =
      openedBy(await this.#keys.get(), bytes, of) ?? openedBy((await this.#keys.again()) ?? [], bytes, of);
    if (secret !== undefined) this.#opened.set(name, secret);
    return secret;
  }
}

function openedBy(keys: readonly Uint8Array[], bytes: Buffer, of: SealedFor): string | undefined {
  for (const key of keys) {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE), { authTagLength: TAG });
    decipher.setAAD(boundTo(of)).setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]).toString("utf8");
    } catch {
      // sealed with another key, perhaps the previous one
    }
  }
  return undefined;
}

/** @throws Error when there is none, or one of another length */
function checked(keys: readonly Uint8Array[]): readonly Uint8Array[] {
  if (keys.length === 0 || keys.some((key) => key.length !== 32)) {
    throw new Error("a key that seals secrets has 32 bytes");
  }
  return keys;
}

const boundTo = ({ accessKey, project }: SealedFor) => Buffer.from(`${accessKey}:${project}`);
