import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { arrivedRequest } from "#test/support/fpga/arrived-request.ts";
import { newAccessKey, newSecret } from "./access-key.ts";
import { objectAuthorization, objectSigned } from "./object-signature.ts";

const NOW = Date.parse("2026-11-27T12:00:00Z");
const accessKey = newAccessKey();
const secret = newSecret();
const DATE = "Fri, 27 Nov 2026 12:00:00 GMT";

/** Signs the text that the description asks for, written out, and verifies the request with it. */
function verified(
  text: string,
  arrived: { method?: string; target?: string; headers?: Record<string, string> },
  now = NOW,
) {
  const signature = createHmac("sha1", secret).update(text).digest("base64");
  const authorization = objectAuthorization(`AWS ${accessKey}:${signature}`);
  const request = arrivedRequest({ method: "GET", target: "/b/k.bin", headers: { Date: DATE }, ...arrived });
  return authorization && objectSigned(request, authorization, secret, now);
}

describe("signature version 2", () => {
  it.each([
    ["an object", `GET\n\n\n${DATE}\n/b/k.bin`, {}],
    [
      "a zone as a number",
      "GET\n\n\nFri, 27 Nov 2026 12:00:00 +0000\n/b/k.bin",
      { headers: { date: "Fri, 27 Nov 2026 12:00:00 +0000" } },
    ],
    [
      "content",
      `PUT\nmd5==\napplication/octet-stream\n${DATE}\n/b//../k.bin`,
      {
        method: "PUT",
        target: "/b//../k.bin",
        headers: { date: DATE, "content-md5": "md5==", "Content-Type": "application/octet-stream" },
      },
    ],
    [
      "a date of its own, and sorted headers",
      `GET\n\n\n\nx-amz-acl:private\nx-amz-date:${DATE}\n/b/`,
      { target: "/b/", headers: { date: "whatever", "X-Amz-Date": DATE, "x-amz-acl": "private" } },
    ],
    [
      "headers of which one's name begins another's",
      `PUT\n\n\n${DATE}\nx-amz-meta-a:1\nx-amz-meta-a-b:2\nx-amz-meta-a1:3\n/b/k.bin`,
      {
        method: "PUT",
        headers: { date: DATE, "x-amz-meta-a1": "3", "x-amz-meta-a-b": "2", "x-amz-meta-a": "1" },
      },
    ],
    ["location", `GET\n\n\n${DATE}\n/b?location`, { target: "/b?location" }],
    ["acl, not what else is asked", `GET\n\n\n${DATE}\n/b?acl`, { target: "/b?prefix=a&acl=&max-keys=1" }],
    ["a listing", `GET\n\n\n${DATE}\n/b`, { target: "/b?prefix=a" }],
    ["an encoded key", `GET\n\n\n${DATE}\n/b/%6b.bin`, { target: "/b/%6b.bin" }],
  ])("is verified for %s", (_name, text, arrived) => {
    expect(verified(text, arrived)).toBe("signed");
  });

  it("is refused for anything else", () => {
    const text = `GET\n\n\n${DATE}\n/b/k.bin`;
    for (const arrived of [
      { method: "HEAD" },
      { target: "/b/k.bin/" },
      { target: "/b/k.bin?acl" },
      { headers: {} },
    ]) {
      expect(verified(text, arrived)).toBe("other-signature");
    }
    expect(verified(text, { headers: { date: DATE, "x-amz-acl": "private" } })).toBe("other-signature");
    expect(verified("GET\n\n\n\n/b/k.bin", { headers: {} })).toBe("no-time");
    expect(verified("GET\n\n\nnow\n/b/k.bin", { headers: { date: "now" } })).toBe("no-time");
  });

  it("is good for fifteen minutes, both ways", () => {
    const text = `GET\n\n\n${DATE}\n/b/k.bin`;
    for (const skew of [-900_000, 900_000]) {
      expect(verified(text, {}, NOW + skew)).toBe("signed");
      expect(verified(text, {}, NOW + skew + Math.sign(skew))).toBe("too-skewed");
    }
  });

  it("is read strictly", () => {
    const signature = Buffer.alloc(20).toString("base64");
    expect(objectAuthorization(`AWS ${accessKey}:${signature}`)).toBeDefined();
    for (const header of [
      "",
      `AWS4-HMAC-SHA256 ${accessKey}:${signature}`,
      `AWS ${accessKey}:${signature}=`,
      `AWS x:${signature}`,
      `AWS ${accessKey}:`,
    ]) {
      expect(objectAuthorization(header), header).toBeUndefined();
    }
  });
});
