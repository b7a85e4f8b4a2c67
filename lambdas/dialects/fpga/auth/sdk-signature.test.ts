import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arrivedRequest } from "#test/support/fpga/arrived-request.ts";
import { type SdkSigning, signSdk } from "#test/support/fpga/sign-sdk.ts";
import { newAccessKey, newSecret } from "./access-key.ts";
import { sdkAuthorization } from "./sdk-authorization.ts";
import { isSdkSigned } from "./sdk-signature.ts";

const NOW = Date.parse("2026-11-27T12:00:00Z");
const accessKey = newAccessKey();
const secret = newSecret();
const BASE = "/v1/0123/cloudservers/fpga_image";

/** A request that is signed and then arrives, changed in between. */
function verified(
  signing: Partial<SdkSigning> = {},
  arrived: Parameters<typeof arrivedRequest>[0] | object = {},
  now = NOW,
) {
  const of = {
    accessKey,
    secret,
    method: "GET",
    target: `${BASE}/detail`,
    headers: { Host: "ground.example:8080", "X-Sdk-Date": "20261127T120000Z" },
    ...signing,
  };
  const authorization = sdkAuthorization(signSdk(of));
  if (!authorization) return "malformed";
  return isSdkSigned(arrivedRequest({ ...of, ...arrived }), authorization, secret, now);
}

describe.each([
  ["with a scope", "20261127/em1/ecs"],
  ["without a scope", undefined],
])("SDK-HMAC-SHA256 %s", (_name, scope) => {
  const form = scope === undefined ? {} : { scope };
  const headers = { Host: "ground.example:8080", "X-Sdk-Date": "20261127T120000Z" };

  it.each([
    ["a list", { target: `${BASE}/detail` }],
    ["a bare question mark", { target: `${BASE}/detail?` }],
    ["a trailing slash", { target: `${BASE}/detail/` }],
    ["doubled slashes and dots", { target: `//v1/0123//cloudservers/../x/./fpga_image?page=1&size=2` }],
    ["empty values and sorting", { target: `${BASE}/detail?size=&page=2&page=1&a-b&a=%7e%2f%20~` }],
    ["characters of every kind", { target: `${BASE}/detail?n=%C3%A9+*'()!&%E4%BD%A0=x` }],
    ["a body", { method: "POST", target: BASE, body: '{"fpga_image":{}}' }],
    ["a DELETE with a body", { method: "DELETE", target: `${BASE}/ab/association`, body: '{"image":{}}' }],
    [
      "more headers, in any case, padded",
      { headers: { ...headers, "Content-TYPE": "  application/json;charset=utf8 " } },
    ],
    ["some of the headers", { headers: { ...headers, "X-Other": "1" }, signed: ["X-Sdk-Date", "Host"] }],
  ] as [string, Partial<SdkSigning>][])("is verified for %s", (_what, signing) => {
    expect(verified({ ...form, ...signing })).toBe(true);
  });

  it.each([
    ["another method", { method: "DELETE" }],
    ["another path", { target: `${BASE}/associations` }],
    ["folded slashes", { target: `${BASE}//detail` }],
    ["resolved dots", { target: `${BASE}/x/../detail` }],
    ["another parameter", { target: `${BASE}/detail?page=1` }],
    ["another body", { body: " " }],
    ["another host", { headers: { ...headers, Host: "other.example:8080" } }],
    ["the host without its port", { headers: { ...headers, Host: "ground.example" } }],
    ["another date", { headers: { ...headers, "X-Sdk-Date": "20261127T120001Z" } }],
    ["no date", { headers: { Host: headers.Host } }],
  ])("is refused for %s", (_what, arrived) => {
    expect(verified(form, arrived)).toBe(false);
  });

  it("is verified for each host that the client may have meant", () => {
    const hosts = ["inner:80", "ground.example:8080", "third"];
    expect(verified(form, { headers: { ...headers, Host: "inner:80" }, hosts })).toBe(true);
    expect(verified(form, { headers: { ...headers, Host: "inner:80" }, hosts: [] })).toBe(false);
  });

  it("is refused with another secret, and without host or date among what is signed", () => {
    expect(verified({ ...form, secret: newSecret() })).toBe(false);
    expect(verified({ ...form, signed: ["host"] })).toBe(false);
    expect(verified({ ...form, signed: ["x-sdk-date"] })).toBe(false);
  });

  it("is good for fifteen minutes, both ways", () => {
    const minutes = 60_000;
    for (const skew of [-15, 0, 15]) expect(verified(form, {}, NOW + skew * minutes)).toBe(true);
    for (const skew of [-15, 15]) {
      expect(verified(form, {}, NOW + skew * minutes + Math.sign(skew))).toBe(false);
    }
    for (const date of ["2026-11-27T12:00:00Z", "20261327T120000Z", "20261127T120000", ""]) {
      expect(verified({ ...form, headers: { ...headers, "X-Sdk-Date": date } }), date).toBe(false);
    }
  });

  it("is verified whatever the query is", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 8 });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 5 }), (pairs) => {
        const query = pairs.map(
          ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
        );
        expect(verified({ ...form, target: `${BASE}/detail?${query.join("&")}` })).toBe(true);
      }),
    );
  });
});

describe("the header Authorization", () => {
  it("needs the scope's date to be the request's", () => {
    expect(verified({ scope: "20261126/em1/ecs" })).toBe(false);
    expect(verified({ scope: "20261127/any/iam" })).toBe(true);
  });

  it("is read strictly", () => {
    const rest = `SignedHeaders=host;x-sdk-date, Signature=${"0".repeat(64)}`;
    const good = [
      `SDK-HMAC-SHA256 Access=${accessKey}, ${rest}`,
      `SDK-HMAC-SHA256 Credential=${accessKey}/20261127/em1/ecs/sdk_request,${rest}`,
    ];
    for (const header of good) expect(sdkAuthorization(header)).toBeDefined();
    const bad = [
      "",
      `SDK-HMAC-SHA1 Access=${accessKey}, ${rest}`,
      `SDK-HMAC-SHA256 Access=pg${accessKey.slice(2)}, ${rest}`,
      `SDK-HMAC-SHA256 Access=${accessKey}/20261127/em1/ecs/sdk_request, ${rest}`,
      `SDK-HMAC-SHA256 Credential=${accessKey}, ${rest}`,
      `SDK-HMAC-SHA256 Credential=${accessKey}/20261127/em1/ecs/aws4_request, ${rest}`,
      `SDK-HMAC-SHA256 Credential=${accessKey}/2026-11/em1/ecs/sdk_request, ${rest}`,
      `${good[0]}0`,
      good[0]!.slice(0, -1),
      `${good[0]}\n`,
      `SDK-HMAC-SHA256 Access=${accessKey}, SignedHeaders=${Array.from({ length: 101 }, (_, n) => `h${n}`).join(";")}, Signature=${"0".repeat(64)}`,
    ];
    for (const header of bad) expect(sdkAuthorization(header), header).toBeUndefined();
  });
});
