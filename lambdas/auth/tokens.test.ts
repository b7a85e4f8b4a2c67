import { createHmac, randomBytes } from "node:crypto";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { describe, expect, it, vi } from "vitest";
import { ACCESS_SECONDS, type Identity, REFRESH_SECONDS, type TokenKey, Tokens } from "./tokens.ts";

const key = (kid: string): TokenKey => ({ kid, secret: randomBytes(32) });
const current = key("current");
const alice: Identity = { name: "alice", uid: "0b8f", generation: 1 };
const NOW = 1_800_000_000_000;
let now = NOW;
const tokens = new Tokens([current], { now: () => now });
const refused = { code: "UNAUTHORIZED", message: "Token is invalid or expired" };

/** A JWT made by hand, as an attacker would. */
function forge(
  header: object,
  payload: object,
  secret: Uint8Array = current.secret,
  hash = "sha256",
): string {
  const part = (json: object) => Buffer.from(JSON.stringify(json)).toString("base64url");
  const text = `${part(header)}.${part(payload)}`;
  return `${text}.${createHmac(hash, secret).update(text).digest("base64url")}`;
}
const header = { alg: "HS256", typ: "JWT", kid: "current" };
const payload = {
  sub: "alice",
  uid: "0b8f",
  gen: 1,
  use: "access",
  iss: "perigee",
  aud: "perigee",
  iat: NOW / 1000,
  exp: NOW / 1000 + 60,
};

describe("Tokens", () => {
  it("speak for whom they were issued, each for its use", async () => {
    now = NOW;
    for (const use of ["access", "refresh"] as const) {
      expect(await tokens.verify(await tokens.issue(alice, use), use)).toEqual(alice);
    }
    const access = await tokens.issue(alice, "access");
    const refresh = await tokens.issue(alice, "refresh");
    await expect(tokens.verify(access, "refresh")).rejects.toMatchObject(refused);
    await expect(tokens.verify(refresh, "access")).rejects.toMatchObject(refused);
  });

  it("carry issuer, audience, subject and times", async () => {
    now = NOW;
    const token = await tokens.issue(alice, "access");
    expect(decodeProtectedHeader(token)).toEqual(header);
    expect(decodeJwt(token)).toEqual({ ...payload, exp: NOW / 1000 + ACCESS_SECONDS });
    // what forge() makes is otherwise good: each refusal below is for its own reason
    expect(await tokens.verify(forge(header, payload), "access")).toEqual(alice);
  });

  it.each([
    ["access", ACCESS_SECONDS],
    ["refresh", REFRESH_SECONDS],
  ] as const)("of use %s end after %i s", async (use, seconds) => {
    now = NOW;
    const token = await tokens.issue(alice, use);
    now = NOW + (seconds - 1) * 1000;
    expect(await tokens.verify(token, use)).toEqual(alice);
    now = NOW + seconds * 1000;
    await expect(tokens.verify(token, use)).rejects.toMatchObject(refused);
    now = NOW;
  });

  const unsigned = (json: object) => `${forge(json, payload).split(".").slice(0, 2).join(".")}.`;
  const [head, body, signature] = forge(header, payload).split(".") as [string, string, string];
  const without = (name: string) =>
    Object.fromEntries(Object.entries(payload).filter(([key]) => key !== name));
  it.each([
    ["nothing", ""],
    ["no JWT", "token"],
    ["two dots", ".."],
    ["alg none", unsigned({ alg: "none", kid: "current" })],
    ["alg None, signed", forge({ ...header, alg: "None" }, payload)],
    ["HS256 without its signature", unsigned(header)],
    ["another algorithm", forge({ ...header, alg: "HS512" }, payload, current.secret, "sha512")],
    ["a foreign secret", forge(header, payload, randomBytes(32))],
    ["an empty secret", forge(header, payload, new Uint8Array())],
    ["an unknown key id", forge({ ...header, kid: "other" }, payload)],
    ["a key id of the prototype", forge({ ...header, kid: "constructor" }, payload)],
    ["no key id", forge({ alg: "HS256" }, payload)],
    ["a key of its own", forge({ ...header, jwk: { kty: "oct", k: "AAAA" } }, payload, Buffer.from("AAAA"))],
    ["an unknown critical header", forge({ ...header, crit: ["x"], x: 1 }, payload)],
    [
      "a changed payload",
      [head, forge(header, { ...payload, sub: "bob" }).split(".")[1], signature].join("."),
    ],
    ["a cut signature", [head, body, signature.slice(0, -4)].join(".")],
    ["a longer signature", [head, body, `${signature}AAAA`].join(".")],
    ["another issuer", forge(header, { ...payload, iss: "other" })],
    ["another audience", forge(header, { ...payload, aud: "other" })],
    ["another use", forge(header, { ...payload, use: "admin" })],
    ["a number for a name", forge(header, { ...payload, sub: 1 })],
    ["a time that is text", forge(header, { ...payload, exp: "9999999999" })],
    ["a time to come", forge(header, { ...payload, nbf: NOW / 1000 + 60 })],
    ...["sub", "uid", "gen", "use", "iss", "aud", "iat", "exp"].map((name) => [
      `no ${name}`,
      forge(header, without(name)),
    ]),
  ])("are refused: %s", async (_name, token) => {
    now = NOW;
    await expect(tokens.verify(token!, "access")).rejects.toMatchObject(refused);
  });

  it("outlive one rotation of the secret, and end with the second", async () => {
    now = NOW;
    const before = await tokens.issue(alice, "access");
    const next = key("next");
    const rotated = new Tokens([next, current], { now: () => now });
    expect(await rotated.verify(before, "access")).toEqual(alice);
    const after = await rotated.issue(alice, "access");
    expect(decodeProtectedHeader(after).kid).toBe("next");
    await expect(tokens.verify(after, "access")).rejects.toMatchObject(refused);
    const again = new Tokens([key("third"), next], { now: () => now });
    await expect(again.verify(before, "access")).rejects.toMatchObject(refused);
    expect(await again.verify(after, "access")).toEqual(alice);
  });

  it("of a key that another process began to use are accepted once the keys were read anew", async () => {
    now = NOW;
    const next = key("next");
    const after = await new Tokens([next, current], { now: () => now }).issue(alice, "access");
    const answers = [[current], undefined, [next, current]];
    let reads = 0;
    const read = async () => {
      const keys = answers[reads++];
      if (!keys) throw new Error("no secrets manager");
      return keys;
    };
    const clock = vi.spyOn(performance, "now").mockReturnValue(0);
    try {
      const warm = new Tokens(read, { now: () => now });
      // not again at once, whoever asks
      for (let i = 0; i < 2; i++) await expect(warm.verify(after, "access")).rejects.toMatchObject(refused);
      expect(reads).toBe(1);
      clock.mockReturnValue(10_000);
      await expect(warm.verify(after, "access")).rejects.toMatchObject(refused);
      expect(reads).toBe(2);
      clock.mockReturnValue(20_000);
      const both = await Promise.all([warm.verify(after, "access"), warm.verify(after, "access")]);
      expect(both).toEqual([alice, alice]);
      expect(reads).toBe(3);
      expect(decodeProtectedHeader(await warm.issue(alice, "access")).kid).toBe("next");
    } finally {
      clock.mockRestore();
    }
  });

  it("are refused once their key is dropped, though their signature was checked before", async () => {
    now = NOW;
    const old = key("old");
    const [token, fresh] = [
      await new Tokens([old], { now: () => now }).issue(alice, "access"),
      await tokens.issue(alice, "access"),
    ];
    const answers = [[old], [current]];
    const clock = vi.spyOn(performance, "now").mockReturnValue(0);
    try {
      const warm = new Tokens(async () => answers.shift()!, { now: () => now });
      for (let i = 0; i < 2; i++) expect(await warm.verify(token, "access")).toEqual(alice);
      clock.mockReturnValue(20_000);
      // names a key that is unknown so far: the keys are read anew
      expect(await warm.verify(fresh, "access")).toEqual(alice);
      await expect(warm.verify(token, "access")).rejects.toMatchObject(refused);
    } finally {
      clock.mockRestore();
    }
  });

  it("are checked for their time and their use each time, for their signature once", async () => {
    now = NOW;
    const token = await tokens.issue(alice, "access");
    expect(await tokens.verify(token, "access")).toEqual(alice);
    const signatures = vi.spyOn(crypto.subtle, "verify");
    try {
      expect(await tokens.verify(token, "access")).toEqual(alice);
      expect(signatures).not.toHaveBeenCalled();
      await expect(tokens.verify(token, "refresh")).rejects.toMatchObject(refused);
      now = NOW + ACCESS_SECONDS * 1000;
      await expect(tokens.verify(token, "access")).rejects.toMatchObject(refused);
    } finally {
      signatures.mockRestore();
      now = NOW;
    }
  });

  it("are not made with a short secret, none, or two of one id", () => {
    expect(() => new Tokens([{ kid: "a", secret: randomBytes(31) }])).toThrow("32 bytes");
    expect(() => new Tokens([current, { kid: "b", secret: randomBytes(1) }])).toThrow("32 bytes");
    expect(() => new Tokens([])).toThrow("needed");
    expect(() => new Tokens([key("a"), key("a")])).toThrow("same key id");
  });

  it("ask for their keys when the first is needed, once, and again after a failure", async () => {
    now = NOW;
    let asked = 0;
    const late = new Tokens(async () => {
      if (++asked === 1) throw new Error("not now");
      return [current];
    });
    expect(asked).toBe(0);
    // a failure of ours, not of the token
    await expect(late.verify("x", "access")).rejects.toThrow("not now");
    const token = await late.issue(alice, "access");
    expect(await late.verify(token, "access")).toEqual(alice);
    await expect(late.verify("x", "access")).rejects.toMatchObject(refused);
    expect(asked).toBe(2);
  });
});
