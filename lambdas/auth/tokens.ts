import { createSecretKey, type KeyObject } from "node:crypto";
import { type JWTPayload, jwtVerify, SignJWT } from "jose";
import * as z from "zod";
import { BoundedMap } from "#protocol/bounded-map.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { ReadAgain } from "./read-again.ts";

const ISSUER = "perigee";
const AUDIENCE = "perigee";
const MIN_SECRET_BYTES = 32;

/** Lifetimes in seconds. */
export const ACCESS_SECONDS = 3600;
export const REFRESH_SECONDS = 30 * 24 * 3600;

/** A signing secret (32 bytes or more) and the key id in its tokens. */
export type TokenKey = { kid: string; secret: Uint8Array };
export type TokenUse = "access" | "refresh";
/** The subject of a token: the user's name, and the record and password version that it was made for. */
export type Identity = { name: string; uid: string; generation: number };

const claims = z.object({
  sub: z.string(),
  uid: z.string(),
  gen: z.number().int(),
  use: z.enum(["access", "refresh"]),
});

/** The keys of tokens: the current one, then earlier ones that are still accepted; or a function that reads them. */
export type TokenKeys = readonly TokenKey[] | (() => Promise<readonly TokenKey[]>);

/** Tokens whose signature is remembered; the oldest are dropped first. */
const MOST_CHECKED = 1000;

/** What a signature was checked with, and what it signs: neither changes for the same token. */
type Checked = { kid: string; key: KeyObject; payload: JWTPayload };

type Keyring = { kid: string; keys: Map<string, KeyObject> };

/**
 * Makes and checks the users' tokens: JWTs, HS256. The first key signs; all of them are accepted. A signature is
 * checked once in a process while its key is accepted; the time is checked at every use.
 */
export class Tokens {
  readonly #ring: ReadAgain<Keyring>;
  readonly #now: () => number;
  readonly #checked = new BoundedMap<string, Checked>(MOST_CHECKED);

  /**
   * @param keys a function is called when the first token is made or checked, again after a failure, and when a
   * token names an unknown key
   * @param options.now clock in ms since 1970 (default Date.now)
   */
  constructor(keys: TokenKeys, options: { now?: () => number } = {}) {
    const given = typeof keys === "function" ? undefined : keyring(keys);
    this.#ring = new ReadAgain(
      async () => given ?? keyring(await (keys as () => Promise<readonly TokenKey[]>)()),
    );
    this.#now = options.now ?? Date.now;
  }

  /** A token for `identity`: access lives an hour, refresh 30 days. */
  async issue(identity: Identity, use: TokenUse): Promise<string> {
    const { kid, keys } = await this.#ring.get();
    const issued = Math.floor(this.#now() / 1000);
    return new SignJWT({ uid: identity.uid, gen: identity.generation, use })
      .setProtectedHeader({ alg: "HS256", typ: "JWT", kid })
      .setSubject(identity.name)
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setIssuedAt(issued)
      .setExpirationTime(issued + (use === "access" ? ACCESS_SECONDS : REFRESH_SECONDS))
      .sign(keys.get(kid)!);
  }

  /**
   * The subject of a valid token. The caller has to check that the user still exists.
   * @throws UNAUTHORIZED when it is malformed, forged, expired, or not for this use
   */
  async verify(token: string, use: TokenUse): Promise<Identity> {
    // A failure to read the keys is not the token's fault.
    const { keys } = await this.#ring.get();
    try {
      const known = this.#checked.get(token);
      const payload =
        known && keys.get(known.kid) === known.key && this.#isCurrent(known.payload)
          ? known.payload
          : await this.#check(token);
      const { sub, uid, gen, use: usedFor } = claims.parse(payload);
      if (usedFor !== use) throw new Error(`a token for ${usedFor} was given for ${use}`);
      return { name: sub, uid, generation: gen };
    } catch {
      throw new PerigeeError("UNAUTHORIZED", "Token is invalid or expired");
    }
  }

  async #check(token: string): Promise<JWTPayload> {
    this.#checked.delete(token);
    let kid = "";
    let key: KeyObject | undefined;
    const keyOf = async (header: { kid?: string | undefined }) => {
      kid = header.kid ?? "";
      key = await this.#key(kid);
      return key;
    };
    const { payload } = await jwtVerify(token, keyOf, {
      algorithms: ["HS256"],
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ["exp", "iat"],
      currentDate: new Date(this.#now()),
    });
    this.#checked.set(token, { kid, key: key!, payload });
    return payload;
  }

  /** As `jwtVerify` has it; a token that says when it begins is always left to that. */
  #isCurrent({ exp, nbf }: JWTPayload): boolean {
    return nbf === undefined && exp !== undefined && exp > Math.floor(this.#now() / 1000);
  }

  async #key(kid: string): Promise<KeyObject> {
    const key = (await this.#ring.get()).keys.get(kid) ?? (await this.#ring.again())?.keys.get(kid);
    if (!key) throw new Error("unknown key id");
    return key;
  }
}

/** @throws Error when there is none, one is too short, or two share an id */
function keyring(given: readonly TokenKey[]): Keyring {
  for (const { secret } of given) {
    if (secret.length < MIN_SECRET_BYTES) throw new Error("a token secret has at least 32 bytes");
  }
  const [current] = given;
  if (!current) throw new Error("a token secret is needed");
  const keys = new Map(given.map(({ kid, secret }) => [kid, createSecretKey(secret)]));
  if (keys.size < given.length) throw new Error("two token secrets have the same key id");
  return { kid: current.kid, keys };
}
