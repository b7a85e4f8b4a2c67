import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isInternal } from "../../internal-address.ts";
import { checkedAddresses } from "./checked-addresses.ts";

const check = (found: string[] | Error, internal: string[] = [], host = "hub.example") =>
  checkedAddresses(
    { host, internal },
    { resolve: async () => (found instanceof Error ? Promise.reject(found) : found), mostMs: 60_000 },
  );
const FORBIDDEN = { kind: "forbidden" };

describe("the addresses of a hub's host", () => {
  it.each([
    ["private", "10.0.0.1"],
    ["private", "172.16.5.4"],
    ["private", "192.168.0.1"],
    ["loopback", "127.0.0.1"],
    ["loopback", "::1"],
    ["link-local", "169.254.169.254"],
    ["link-local", "fe80::1"],
    ["a provider's own", "100.64.0.1"],
    ["unique local", "fd00:ec2::254"],
    ["IPv4-mapped", "::ffff:10.0.0.1"],
    ["IPv4-mapped, though public", "::ffff:8.8.8.8"],
    ["translated", "64:ff9b::a00:1"],
    ["6to4", "2002:a00:1::"],
    ["any", "0.0.0.0"],
    ["multicast", "224.0.0.1"],
    ["no address", "hub.example"],
  ])("%s: %s is not connected to", async (_, address) => {
    await expect(check([address])).rejects.toMatchObject(FORBIDDEN);
    await expect(check(["8.8.8.8", address])).rejects.toMatchObject(FORBIDDEN);
  });

  it("public ones, and those that are listed, are", async () => {
    expect(await check(["8.8.8.8", "2606:4700::1111"])).toEqual(["8.8.8.8", "2606:4700::1111"]);
    expect(await check(["10.0.0.1"], ["10.0.0.1"])).toEqual(["10.0.0.1"]);
    await expect(check(["10.0.0.1", "10.0.0.2"], ["10.0.0.1"])).rejects.toMatchObject(FORBIDDEN);
  });

  it("a host that is an address is not looked up", async () => {
    await expect(check(new Error("asked"), [], "127.0.0.1")).rejects.toMatchObject(FORBIDDEN);
    await expect(check(new Error("asked"), [], "[::1]")).rejects.toMatchObject(FORBIDDEN);
    expect(await check(new Error("asked"), ["::1"], "[::1]")).toEqual(["::1"]);
  });

  it("one that is not found, or not in time, is a failure", async () => {
    await expect(check(new Error("ENOTFOUND"))).rejects.toMatchObject({ kind: "failed" });
    await expect(check([])).rejects.toMatchObject({ kind: "failed" });
    const never = checkedAddresses(
      { host: "hub.example", internal: [] },
      { resolve: () => new Promise(() => {}), mostMs: 1 },
    );
    await expect(never).rejects.toMatchObject({ kind: "failed" });
  });

  it("whatever a name has, an address that is internal and not listed never passes", async () => {
    const address = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.ipV4().map((one) => `::ffff:${one}`),
      fc.constantFrom("10.0.0.1", "127.0.0.1", "fd00::1"),
    );
    const some = fc.array(address, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(some, some, async (found, listed) => {
        const passed = await check(found, listed).catch(() => []);
        expect(passed.every((one) => !isInternal(one) || listed.includes(one))).toBe(true);
        expect([[], found]).toContainEqual(passed);
      }),
    );
  });
});
