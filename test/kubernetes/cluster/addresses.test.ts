import { describe, expect, it } from "vitest";
import { addressesIn, chooseAddresses } from "./addresses.ts";

const HOME = `default via 192.168.1.1 dev eth0
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1
192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.7
`;

describe("chooseAddresses", () => {
  it("gives slots different networks", () => {
    expect(chooseAddresses(HOME, 0)).toEqual(addressesIn("10.232"));
    expect(chooseAddresses(HOME, 3)).toEqual(addressesIn("10.235"));
  });

  it.each([
    ["the network itself", "10.232.0.0/16 via 10.232.0.2 dev pgk8s0"],
    ["one address in it", "10.232.0.1 dev eth1 scope link"],
    ["a part of it", "blackhole 10.232.4.0/24"],
  ])("avoids %s", (_, route) => {
    expect(chooseAddresses(`${HOME}${route}\n`, 0).network).toBe("10.233.0.0/16");
  });

  it("leaves 10.0.0.0/8 to whoever has all of it", () => {
    expect(chooseAddresses(`${HOME}10.0.0.0/8 via 10.1.2.3 dev tun0\n`, 0).network).toBe("172.24.0.0/16");
  });

  it("says so when everything is taken", () => {
    const all = ["10.0.0.0/8 dev a", "172.16.0.0/12 dev b", "198.18.0.0/15 dev c"].join("\n");
    expect(() => chooseAddresses(all, 0)).toThrow("no free network");
  });
});
