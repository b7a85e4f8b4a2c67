import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import { PerigeeError } from "#protocol/errors.ts";

/** `PART`: a PUT of one part, whose "key" is several lines (see part-url.ts). */
export type SignedMethod = "GET" | "PUT" | "PART";

const NUMBER = /^\d{1,16}$/;

/**
 * Signs what a URL allows: one method on one key, until a time (seconds since 1970), with a bound of bytes.
 * HMAC-SHA256 over the fields, one per line: all but the key are digits or letters, and the key has no control
 * characters, so they cannot be confused.
 */
export class UrlSignature {
  /** made once: of bytes each signature would make one again, which takes several times as long as signing */
  readonly #secret: KeyObject;
  readonly #now: () => number;

  /** `secret`: at least 32 bytes. `now` in ms. */
  constructor(secret: string | Uint8Array, now: () => number = Date.now) {
    const bytes = Buffer.from(secret);
    if (bytes.length < 32) throw new TypeError("the signing secret is under 32 bytes");
    this.#secret = createSecretKey(bytes);
    this.#now = now;
  }

  /** The query of a URL that is valid for `seconds` from now. */
  sign(method: SignedMethod, key: string, seconds: number, maxBytes: number): URLSearchParams {
    const expires = String(Math.floor(this.#now() / 1000) + Math.ceil(seconds));
    const max = String(maxBytes);
    const signature = this.#mac(method, key, expires, max).toString("base64url");
    return new URLSearchParams({ expires, max, signature });
  }

  /**
   * Checks the query of a URL and returns the bytes it allows. The signature is checked first, in constant
   * time, so that the way a forged URL is refused tells nothing.
   * @throws PerigeeError SIGNATURE_INVALID when it was not signed so, or has expired
   */
  verify(method: SignedMethod, key: string, query: URLSearchParams): { maxBytes: number } {
    const { expires = "", max = "", signature = "" } = Object.fromEntries(query);
    const wanted = this.#mac(method, key, expires, max);
    const given = Buffer.from(signature, "base64url");
    // A field with a line break in it would take over the line before it.
    const isNumbers = NUMBER.test(expires) && NUMBER.test(max);
    if (!isNumbers || given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
      throw new PerigeeError("SIGNATURE_INVALID", "The URL is not signed for this");
    }
    if (Number(expires) * 1000 <= this.#now()) {
      throw new PerigeeError("SIGNATURE_INVALID", "The URL has expired");
    }
    return { maxBytes: Number(max) };
  }

  #mac(method: SignedMethod, key: string, expires: string, max: string): Buffer {
    return createHmac("sha256", this.#secret).update(`${method}\n${key}\n${expires}\n${max}`).digest();
  }
}
