import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import type { GroundEnv } from "../http/env.ts";
import { clientAddress, countedAddress } from "./client-address.ts";

describe("countedAddress", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::FFFF:c000:207", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["[2001:db8::1]", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["64:ff9b::192.0.2.7", "64:ff9b:0:0::/64"],
  ])("%s counts as %s", (address, counted) => {
    expect(countedAddress(address)).toBe(counted);
  });

  it.each([undefined, "", "unknown", "192.0.2", "192.0.2.7:80", "host.example", "1::2::3", "%eth0"])(
    "%s is no address",
    (text) => {
      expect(countedAddress(text)).toBeUndefined();
    },
  );
});

describe("clientAddress", () => {
  async function addressOf(forwarded: string | undefined, trustProxy: boolean | undefined, peer?: string) {
    const app = new Hono<GroundEnv>().get("/", (c) => c.text(clientAddress(c, { trustProxy })));
    const headers = forwarded === undefined ? undefined : { "x-forwarded-for": forwarded };
    const incoming = { socket: { remoteAddress: peer } };
    const env = (peer === undefined ? {} : { incoming }) as GroundEnv["Bindings"];
    return (await app.request("/", { headers }, env)).text();
  }

  it.each([
    ["the peer", undefined, undefined, "192.0.2.1"],
    ["the peer, whatever a header claims", "203.0.113.9", undefined, "192.0.2.1"],
    ["the peer, whatever a header claims (said so)", "203.0.113.9", false, "192.0.2.1"],
    ["what the proxy added last, not what the client sent", "198.51.100.1, 203.0.113.9", true, "203.0.113.9"],
    ["the peer when the proxy says nothing", undefined, true, "192.0.2.1"],
    ["the peer when the proxy says nonsense", "198.51.100.1, nonsense", true, "192.0.2.1"],
  ])("is %s", async (_name, forwarded, trustProxy, expected) => {
    expect(await addressOf(forwarded, trustProxy, "::ffff:192.0.2.1")).toBe(expected);
  });

  it("is one for all when there is no peer", async () => {
    expect(await addressOf("203.0.113.9", false)).toBe("unknown");
  });
});
