import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readForeignUrl } from "./foreign-url.ts";
import { readHubList } from "./hub-list.ts";

const hosts = readHubList("s3.eu-west-1.amazonaws.com,minio.example:9000=10.1.2.3,plain.example");
const read = (url: string, region = "eu-west-1") => readForeignUrl(url, { hosts, region });

describe("the URL of a hub elsewhere", () => {
  it("s3:// is S3's own host of the region, which the list has to name", () => {
    expect(read("s3://my-bucket/some/prefix")).toEqual({
      place: {
        host: "s3.eu-west-1.amazonaws.com",
        port: 443,
        bucket: "my-bucket",
        region: "eu-west-1",
        internal: [],
      },
      prefix: "some/prefix",
      name: "",
      password: "",
    });
    expect(read("s3://my-bucket", "us-east-1")).toBeUndefined();
    expect(read("s3://my-bucket/")).toMatchObject({ prefix: "" });
    const cn = readHubList("s3.cn-north-1.amazonaws.com.cn");
    expect(readForeignUrl("s3://my-bucket", { hosts: cn, region: "cn-north-1" })).toBeDefined();
  });

  it("https has the bucket in its path, and signs for the region that the host tells, or the one that is set", () => {
    expect(read("https://MINIO.example:9000/my-bucket/a%20b/c/")).toEqual({
      place: {
        host: "minio.example",
        port: 9000,
        bucket: "my-bucket",
        region: "eu-west-1",
        internal: ["10.1.2.3"],
      },
      prefix: "a b/c",
      name: "",
      password: "",
    });
    const own = read("https://s3.eu-west-1.amazonaws.com/my-bucket", "us-east-1");
    expect(own?.place.region).toBe("eu-west-1");
  });

  it("may carry keys, decoded once", () => {
    expect(read("https://KEY:a%2520b%2F@plain.example/my-bucket")).toMatchObject({
      name: "KEY",
      password: "a%20b/",
    });
    expect(read("s3://KEY:secret@my-bucket/x")).toMatchObject({ name: "KEY", password: "secret" });
  });

  it.each([
    "http://plain.example/my-bucket",
    "https://plain.example:444/my-bucket",
    "https://minio.example/my-bucket",
    "https://my-bucket.s3.eu-west-1.amazonaws.com/",
    "https://plain.example.other.example/my-bucket",
    "https://plain.example@other.example/my-bucket",
    "https://plain.example./my-bucket",
    "https://plain.example\\@other.example/my-bucket",
    "https://10.1.2.3:9000/my-bucket",
    "https://plain.example",
    "https://plain.example/",
    "https://plain.example/UPPER",
    "https://plain.example/ab",
    "https://plain.example/my..bucket",
    "https://plain.example/my-bucket--x-s3",
    "https://plain.example/arn:aws:s3:eu-west-1:1:accesspoint",
    "https://plain.example/my-bucket//x",
    "https://plain.example/my-bucket/%2e%2e%2fother",
    "https://plain.example/my-bucket/a%2Fb",
    "https://plain.example/my-bucket/%00",
    "https://plain.example/my-bucket/%zz",
    "https://plain.example/my-bucket?x=1",
    "https://plain.example/my-bucket#x",
    `https://plain.example/my-bucket/${"x".repeat(501)}`,
    "s3://my-bucket:9000/x",
    "s3:my-bucket",
    "s3:///x",
    "file:///my-bucket",
    "ftp://plain.example/my-bucket",
    "plain.example/my-bucket",
    "",
  ])("%j is none", (url) => expect(read(url)).toBeUndefined());

  it("whatever the text, only listed hosts and ports come of it, and no prefix that leads out", () => {
    const piece = fc.constantFrom(
      ...["https://", "s3://", "plain.example", "minio.example:9000", "other.example", "@", ":", "/", "\\"],
      ...[
        "..",
        ".",
        "%2e",
        "%2f",
        "%5c",
        "#",
        "?",
        "my-bucket",
        "10.1.2.3",
        "[::1]",
        "a",
        " ",
        "\t",
        "\n",
        "。",
      ],
    );
    const listed = hosts.map(({ host, port }) => `${host}:${port}`);
    void fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
        const found = read(pieces.join(""));
        if (!found) return;
        expect(listed).toContain(`${found.place.host}:${found.place.port}`);
        expect(found.prefix.split("/")).not.toContain("..");
        expect(`/${found.prefix}/`).not.toContain("//".repeat(2));
      }),
      { numRuns: 3000 },
    );
  });
});
