import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UrlSignature } from "./url-signature.ts";

const SECRET = Buffer.alloc(32, 7);

describe("UrlSignature", () => {
  it("gives back the bytes it signed, until it expires", () => {
    let now = 1_000_000;
    const signature = new UrlSignature(SECRET, () => now);
    const query = signature.sign("PUT", "a/b", 60, 123);
    expect(signature.verify("PUT", "a/b", query)).toEqual({ maxBytes: 123 });
    now += 59_999;
    expect(signature.verify("PUT", "a/b", query)).toEqual({ maxBytes: 123 });
    now += 1;
    expect(() => signature.verify("PUT", "a/b", query)).toThrow("expired");
  });

  it("refuses any other secret, method, key or field", () => {
    const signature = new UrlSignature(SECRET);
    const other = new UrlSignature(Buffer.alloc(32, 8));
    const name = fc.constantFrom("expires", "max", "signature");
    fc.assert(
      fc.property(fc.webPath({ size: "small" }), fc.nat(), name, fc.string(), (key, max, field, value) => {
        const query = signature.sign("GET", key, 60, max);
        expect(signature.verify("GET", key, query)).toEqual({ maxBytes: max });
        expect(() => signature.verify("PUT", key, query)).toThrow();
        expect(() => signature.verify("GET", `${key}x`, query)).toThrow();
        expect(() => other.verify("GET", key, query)).toThrow();
        const changed = new URLSearchParams(query);
        changed.set(field, value);
        fc.pre(value !== query.get(field));
        expect(() => signature.verify("GET", key, changed)).toThrow();
      }),
    );
  });

  it("keeps the fields apart: what one loses another cannot gain", () => {
    const signature = new UrlSignature(SECRET, () => 0);
    const query = signature.sign("GET", "k", 12, 34);
    for (const [key, expires, max] of [
      ["k\n12", "34", ""],
      ["k", "12\n34", ""],
      ["k", "1", "234"],
      ["", "k", "12"],
    ]) {
      const moved = new URLSearchParams({ expires: expires!, max: max!, signature: query.get("signature")! });
      expect(() => signature.verify("GET", key!, moved)).toThrow();
    }
  });

  it("wants 32 bytes of secret", () => {
    expect(() => new UrlSignature("x".repeat(31))).toThrow(TypeError);
  });
});
