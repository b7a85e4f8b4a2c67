import { scryptSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { checkPassword, hashPassword, verifyPassword } from "./password.ts";

describe("passwords", () => {
  it("are kept as salted scrypt with its parameters, which Node's own scrypt confirms", async () => {
    const hash = await hashPassword("correct horse");
    const [, name, parameters, salt, key] = hash.split("$");
    expect([name, parameters]).toEqual(["scrypt", "ln=16,r=8,p=1"]);
    const expected = scryptSync("correct horse", Buffer.from(salt!, "base64"), 32, {
      N: 2 ** 16,
      r: 8,
      p: 1,
      maxmem: 2 ** 28,
    });
    expect(Buffer.from(key!, "base64").equals(expected)).toBe(true);
    expect(await hashPassword("correct horse")).not.toBe(hash);
  });

  it("verify against their own hash alone", async () => {
    const hash = await hashPassword("pässwörd 🛰");
    expect(await verifyPassword("pässwörd 🛰", hash)).toBe(true);
    // the same text, its accents composed otherwise
    expect(await verifyPassword("pässwörd 🛰".normalize("NFD"), hash)).toBe(true);
    for (const wrong of ["pässwörd 🛰 ", "Pässwörd 🛰", "passwörd 🛰", "", hash, "x".repeat(100_000)]) {
      expect(await verifyPassword(wrong, hash)).toBe(false);
    }
  });

  it("verify against hashes made with other parameters", async () => {
    const salt = Buffer.from("0123456789abcdef");
    const key = scryptSync("older password", salt, 32, { N: 2 ** 10, r: 4, p: 2 });
    const text = (bytes: Buffer) => bytes.toString("base64").replaceAll("=", "");
    const hash = `$scrypt$ln=10,r=4,p=2$${text(salt)}$${text(key)}`;
    expect(await verifyPassword("older password", hash)).toBe(true);
    expect(await verifyPassword("other password", hash)).toBe(false);
  });

  it("match nothing when there is no user, and a broken record is no match but an error", async () => {
    expect(await verifyPassword("any password", undefined)).toBe(false);
    await expect(verifyPassword("any password", "plain")).rejects.toThrow("not readable");
  });

  it("with long tails are not cut to a match", async () => {
    const hash = await hashPassword("a".repeat(256));
    expect(await verifyPassword("a".repeat(256), hash)).toBe(true);
    expect(await verifyPassword("a".repeat(257), hash)).toBe(false);
    expect(await verifyPassword("a".repeat(1025), hash)).toBe(false);
  });

  it.each(["", "1234567", "🛰".repeat(7), "x".repeat(257), "lone \ud83d surrogate"])(
    "%j is refused",
    (bad) => {
      expect(() => checkPassword(bad)).toThrow(expect.objectContaining({ code: "INVALID_PARAMETERS" }));
    },
  );

  it.each(["12345678", "🛰".repeat(8), "🛰".repeat(256), "        "])("%j is allowed", (good) => {
    expect(() => checkPassword(good)).not.toThrow();
  });
});
