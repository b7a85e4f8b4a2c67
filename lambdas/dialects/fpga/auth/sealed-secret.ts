import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/** A secret under AES-256-GCM: nonce, tag and ciphertext in Base64url. */
export type SealedSecret = string;

const NONCE = 12;
const TAG = 16;

/** What a sealed secret belongs to: it opens for nothing else. */
export type SealedFor = { accessKey: string; project: string };

/**
 * Seals secrets that have to be read again, as signatures are verified with them.
 * Keys are 32 bytes each: the first seals, all of them open, so that one may be replaced by a new one in front of it.
 */
export class SecretSeal {
  readonly #keys: readonly Uint8Array[];

  constructor(keys: readonly Uint8Array[]) {
    if (keys.length === 0 || keys.some((key) => key.length !== 32)) {
      throw new Error("a key that seals secrets has 32 bytes");
    }
    this.#keys = keys;
  }

  seal(secret: string, of: SealedFor): SealedSecret {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv("aes-256-gcm", this.#keys[0]!, nonce).setAAD(boundTo(of));
    const text = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64url");
  }

  /** @returns undefined when no key opens it, it was changed, or it belongs to another key or project */
  open(sealed: SealedSecret, of: SealedFor): string | undefined {
    const bytes = Buffer.from(sealed, "base64url");
    if (bytes.length < NONCE + TAG) return undefined;
    for (const key of this.#keys) {
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE), { authTagLength: TAG });
      decipher.setAAD(boundTo(of)).setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]).toString(
          "utf8",
        );
      } catch {
        // sealed with another key, perhaps the previous one
      }
    }
    return undefined;
  }
}

const boundTo = ({ accessKey, project }: SealedFor) => Buffer.from(`${accessKey}:${project}`);
