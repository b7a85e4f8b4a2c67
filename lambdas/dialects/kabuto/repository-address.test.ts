import { expect, test } from "vitest";
import { repositoryAddress } from "./repository-address.ts";

const LISTED = ["https://hg.example.com/team/", "http://10.0.0.5:8000"];

test.each([
  ["https://hg.example.com/team/a", "https://hg.example.com/team/a", undefined],
  ["https://HG.example.com:443/team/a#v1", "https://hg.example.com/team/a", "v1"],
  ["http://10.0.0.5:8000/#a%20b", "http://10.0.0.5:8000/", "a b"],
])("%s is listed", (text, href, revision) => {
  const address = repositoryAddress(text, LISTED);
  expect(address.url.href).toBe(href);
  expect(address.revision).toBe(revision);
  expect(address.internal).toEqual(["hg.example.com:443", "10.0.0.5:8000"]);
});

test.each([
  ["https://hg.example.com/other", "not among"],
  ["https://hg.example.com/teams", "not among"],
  ["https://hg.example.com/team/../other", "not among"],
  ["https://hg.example.com/team/%2e%2e/other", "not among"],
  ["https://hg.example.com/team/..%2fother", "not among"],
  ["https://hg.example.com.evil.example/team/a", "not among"],
  ["https://hg.example.com:444/team/a", "not among"],
  ["http://hg.example.com/team/a", "not among"],
  ["https://user@hg.example.com/team/a", "user or password"],
  ["https://:secret@hg.example.com/team/a", "user or password"],
  ["file:///etc", "only http and https"],
  ["ssh://hg.example.com/team/a", "only http and https"],
  ["/etc", "is no URL"],
  ["--config=x", "is no URL"],
  ["https://hg.example.com/team/a#%ff", "the revision is no name"],
])("%s is refused", (text, why) => {
  expect(() => repositoryAddress(text, LISTED)).toThrow(why);
});

test("where nothing is listed nothing is cloned", () => {
  expect(() => repositoryAddress("https://hg.example.com/", [])).toThrow("this ground clones none");
});
