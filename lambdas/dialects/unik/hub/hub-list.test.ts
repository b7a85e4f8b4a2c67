import { describe, expect, it } from "vitest";
import { UNIK_HUBS, UNIK_HUBS_REGION } from "../settings.ts";
import { readHubList } from "./hub-list.ts";

describe("the operator's list of hubs", () => {
  it("names hosts, with ports and internal addresses", () => {
    const list =
      "s3.eu-central-1.amazonaws.com, MinIO.example:9000=10.1.2.3+fd00::3 ,192.168.1.2:9000,[fd00::1]:9000";
    expect(readHubList(list)).toEqual([
      { host: "s3.eu-central-1.amazonaws.com", port: 443, internal: [] },
      { host: "minio.example", port: 9000, internal: ["10.1.2.3", "fd00::3"] },
      { host: "192.168.1.2", port: 9000, internal: ["192.168.1.2"] },
      { host: "[fd00::1]", port: 9000, internal: ["fd00::1"] },
    ]);
  });

  it.each([undefined, "", " , "])("%j names none", (text) => expect(readHubList(text)).toEqual([]));

  it.each([
    "https://s3.example",
    "s3.example/bucket",
    "s3.example/",
    "key:secret@s3.example",
    "s3.example:0x",
    "s3.example:99999",
    "*.example",
    "s3.example=",
    "s3.example=10.0.0.0/8",
    "s3.example=host",
    "s3.example=10.1.2.3=10.1.2.4",
    "=10.1.2.3",
    "a b",
    "s3.example?x",
    "s3.example#x",
  ])("%j is refused when the ground starts", (text) => {
    expect(UNIK_HUBS.wrong(text)).toMatch(/^names ".*": an item is host/);
  });

  it("a region is one", () => {
    expect(["eu-central-1", "us-gov-west-1", "cn-north-1"].map(UNIK_HUBS_REGION.wrong)).toEqual(
      Array(3).fill(undefined),
    );
    for (const text of ["europe", "eu-", "a.b", "EU-WEST-1"]) {
      expect(UNIK_HUBS_REGION.wrong(text)).toBe("is no region");
    }
  });
});
