import { describe, expect, test } from "vitest";
import { nameAndTag, parseOwnImage, parseReference, parseTagged } from "./image-reference.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

describe("parseReference", () => {
  test.each<[string, ReturnType<typeof parseReference>]>([
    ["echo-test", { name: "echo-test", tag: "latest" }],
    ["python:3.11-alpine", { name: "python", tag: "3.11-alpine" }],
    ["team/app", { name: "team/app", tag: "latest" }],
    ["a/b/c:T_1", { name: "a/b/c", tag: "T_1" }],
    ["ghcr.io/a/b:1", { host: "ghcr.io", name: "a/b", tag: "1" }],
    ["localhost/a", { host: "localhost", name: "a", tag: "latest" }],
    ["localhost:5000/a:1", { host: "localhost:5000", name: "a", tag: "1" }],
    ["REG/a", { host: "REG", name: "a", tag: "latest" }],
    ["[::1]:5000/a", { host: "[::1]:5000", name: "a", tag: "latest" }],
    [`a@${DIGEST}`, { name: "a", digest: DIGEST }],
    [`h.io/a:1@${DIGEST}`, { host: "h.io", name: "a", tag: "1", digest: DIGEST }],
    ["a.b_c__d---e", { name: "a.b_c__d---e", tag: "latest" }],
    ["my.app:5000", { name: "my.app", tag: "5000" }],
  ])("%s", (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
  });

  test.each([
    "",
    " ",
    "A",
    "Foo/Bar:x:y",
    "a:",
    "a:.x",
    "-a",
    "a-",
    "a..b",
    "a___b",
    "a//b",
    "/a",
    "a/",
    "a b",
    "a:b c",
    "a\n",
    "a\nb",
    "a@sha256:abc",
    "a@x",
    "a:1:2",
    `a:${"x".repeat(129)}`,
    "x".repeat(256),
    "ä",
    "a;b",
    "../a",
    "a/../b",
    "http://a/b",
    "x".repeat(1_000_000),
  ])("refuses %j", (text) => {
    expect(parseReference(text)).toBeUndefined();
  });

  test("an image id is a name like any other", () => {
    expect(parseReference("5f70bf18a086")).toEqual({ name: "5f70bf18a086", tag: "latest" });
    expect(parseReference(DIGEST)).toEqual({ name: "sha256", tag: "a".repeat(64) });
  });

  test("answers at once for texts that make careless expressions hang", () => {
    for (const text of [
      "a".repeat(400),
      "a-".repeat(200),
      "a/".repeat(200),
      "a.".repeat(200),
      `${"a_".repeat(199)}!`,
    ]) {
      expect(parseReference(`${text}!`)).toBeUndefined();
    }
  });
});

describe("parseOwnImage", () => {
  const USER = "u".repeat(32);

  test.each([1, 199, 200])(
    "takes a name of %i, which engines take with the longest user's name before it",
    (length) => {
      const name = "x".repeat(length);
      expect(parseOwnImage(name)).toEqual({ name, tag: "latest" });
      expect(parseReference(`docker.io/library/${USER}-${name}`)).toBeDefined();
    },
  );

  test.each(["x".repeat(201), "x".repeat(222), "0".repeat(64), "localhost/a", "REG/a", `a:1@${DIGEST}`])(
    "refuses %j",
    (text) => {
      expect(parseOwnImage(text)).toBeUndefined();
    },
  );
});

describe("parseTagged", () => {
  test.each([`a@${DIGEST}`, `a:1@${DIGEST}`, "0".repeat(64), "A"])(
    "refuses %j, which names no image by tag",
    (text) => {
      expect(parseTagged(text)).toBeUndefined();
    },
  );

  test("keeps the registry", () => {
    expect(parseTagged("ghcr.io/a/b:1")).toEqual({ host: "ghcr.io", name: "a/b", tag: "1" });
    expect(parseTagged("a")).toEqual({ name: "a", tag: "latest" });
  });
});

describe("nameAndTag", () => {
  test.each([
    ["busybox", "busybox", "latest"],
    ["python:3.11-alpine", "python", "3.11-alpine"],
    ["team/app:v1", "team/app", "v1"],
    ["docker.io/library/python:3", "python", "3"],
    ["registry.local:5000/a/b", "a/b", "latest"],
    ["localhost/x:1", "x", "1"],
    [`x@sha256:${"0".repeat(64)}`, "x", "latest"],
  ])("%s is %s:%s", (reference, name, tag) => {
    expect(nameAndTag(reference)).toEqual({ name, tag });
  });
});
