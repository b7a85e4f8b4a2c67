import { describe, expect, it } from "vitest";
import { readHubUrl } from "./hub-url.ts";

const hosts = ["ground.example:8443", "ground.example"];
const read = (url: string, base = "/unik") => readHubUrl(url, { base, hosts });
const OWN = { name: "", password: "" };

describe("the URL of a hub", () => {
  it.each([
    "",
    " ",
    "https://ground.example/unik/hub",
    "http://ground.example:8443/unik/hub/",
    "https://GROUND.example:443/unik/em1/hub",
  ])("%j is this ground's", (url) => expect(read(url)).toEqual(OWN));

  it("carries a log-in, decoded once", () => {
    expect(read("https://ann:a%2520b%40@ground.example/unik/hub")).toEqual({
      name: "ann",
      password: "a%20b@",
    });
    expect(read("https://:token@ground.example/unik/hub")).toEqual({ name: "", password: "token" });
  });

  it.each([
    "https://other.example/unik/hub",
    "https://ground.example.other.example/unik/hub",
    "https://ground.example@other.example/unik/hub",
    "https://ground.example:9/unik/hub",
    "https://ground.example/unik/hub/images",
    "https://ground.example/unik/a/b/hub",
    "https://ground.example/hub",
    "https://ground.example/unik/images",
    "https://ground.example/unik/x/../../hub",
    "s3://ground.example/unik/hub",
    "file:///unik/hub",
    "//ground.example/unik/hub",
    "ground.example/unik/hub",
    "https://%zz:x@ground.example/unik/hub",
  ])("%j is another's", (url) => expect(read(url)).toBeUndefined());

  it("has no prefix where the routes have none", () => {
    expect(read("http://ground.example:8443/hub", "")).toEqual(OWN);
    expect(read("http://ground.example:8443/em1/hub", "")).toEqual(OWN);
    expect(read("http://ground.example:8443/unik/hub", "")).toEqual(OWN);
    expect(read("http://ground.example:8443/a/b/hub", "")).toBeUndefined();
  });
});
