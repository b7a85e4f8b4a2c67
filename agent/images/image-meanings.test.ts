import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseOwnImage, parseTagged } from "#protocol/image-reference.ts";
import { candidates, engineTag, publicName } from "./image-meanings.ts";

const component = fc.stringMatching(/^[a-z0-9]{1,6}([._-][a-z0-9]{1,6}){0,2}$/);
const path = fc
  .array(component, { minLength: 1, maxLength: 3 })
  // a dot before a slash makes it a host
  .filter((parts) => parts.length === 1 || (!parts[0]!.includes(".") && parts[0] !== "localhost"))
  .map((parts) => parts.join("/"));
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}$/);
const user = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const REGISTRIES = ["registry:5000", "localhost:5000"];

describe("a reference", () => {
  test("is read back as it was put together", () => {
    fc.assert(
      fc.property(
        path,
        tag,
        fc.constantFrom(undefined, "registry:5000", "ghcr.io", "localhost"),
        (name, t, host) => {
          const text = `${host ? `${host}/` : ""}${name}:${t}`;
          expect(parseTagged(text)).toEqual(host ? { host, name, tag: t } : { name, tag: t });
        },
      ),
    );
  });

  test("never throws and never reads anything but the grammar", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."aA0:/.-_@") })), (text) => {
        const parsed = parseTagged(text);
        if (parsed)
          expect(parsed.name).toMatch(
            /^[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(\/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*$/,
          );
      }),
    );
  });

  test.each([
    "",
    "A",
    "a:",
    ":a",
    "a@sha256:00",
    `a@sha256:${"0".repeat(64)}`,
    `sha256:${"0".repeat(64)}x@`,
    "a//b",
    "/a",
    "a/",
    "-a",
    "a b",
    "a:b:c",
    "0".repeat(64),
  ])("is not %j", (text) => {
    expect(parseTagged(text)).toBeUndefined();
  });

  test("has the tag latest when it has none, and no host in an image's own name", () => {
    expect(parseOwnImage("tool")).toEqual({ name: "tool", tag: "latest" });
    expect(parseOwnImage("group/tool:v1")).toEqual({ name: "group/tool", tag: "v1" });
    expect(parseOwnImage("registry:5000/tool")).toBeUndefined();
    expect(parseOwnImage("localhost/tool")).toBeUndefined();
    expect(parseOwnImage("ghcr.io/tool")).toBeUndefined();
  });

  test("cannot give two owners one tag in the engine", () => {
    fc.assert(
      fc.property(user, path, user, path, tag, (u1, n1, u2, n2, t) => {
        const same = engineTag(u1, { name: n1, tag: t }) === engineTag(u2, { name: n2, tag: t });
        expect(same).toBe(u1 === u2 && n1 === n2);
      }),
    );
  });
});

describe("the meanings of a reference", () => {
  const meanings = (text: string) =>
    candidates("alice", text, REGISTRIES).map((c) =>
      "own" in c ? `own ${c.own.name}:${c.own.tag}` : c.public,
    );

  test("are the user's own first, then the public ones", () => {
    expect(meanings("tool")).toEqual([
      "own tool:latest",
      "tool:latest",
      "registry:5000/tool:latest",
      "localhost:5000/tool:latest",
    ]);
    expect(meanings("library/tool:v1").slice(0, 2)).toEqual(["own library/tool:v1", "tool:v1"]);
    expect(meanings("docker.io/library/tool")).toEqual(["tool:latest"]);
    expect(meanings("docker.io/group/tool")).toEqual(["group/tool:latest"]);
    expect(meanings("ghcr.io/tool")).toEqual(["ghcr.io/tool:latest"]);
    expect(meanings("alice-tool").at(-1)).toBe("own tool:latest");
    expect(meanings("registry:5000/alice-tool")[0]).toBe("own tool:latest");
    expect(meanings("localhost:5000/tool").slice(0, 2)).toEqual(["own tool:latest", "tool:latest"]);
  });

  test("never reach another user", () => {
    fc.assert(
      fc.property(
        user,
        path,
        tag,
        fc.constantFrom("", "registry:5000/", "docker.io/"),
        (other, name, t, host) => {
          fc.pre(other !== "alice");
          const text = `${host}${other}-${name}:${t}`;
          for (const candidate of candidates("alice", text, REGISTRIES)) {
            if ("own" in candidate)
              expect(engineTag("alice", candidate.own)).not.toBe(`${other}-${name}:${t}`);
          }
        },
      ),
    );
  });

  test("of a public name are spelled as the engine spells them", () => {
    expect(publicName("docker.io/library/python:3")).toBe("python:3");
    expect(publicName("registry:5000/python")).toBe("registry:5000/python:latest");
    expect(publicName("sha256:00")).toBe("sha256:00");
    expect(publicName("Not One")).toBeUndefined();
  });
});
