import { expect, it } from "vitest";
import { withoutLogIn, withoutPasswords } from "./hub-body.ts";

const PUSH = ["images", "push", "app"];
const kept = (body: string, path = PUSH) => withoutPasswords(path, Buffer.from(body)).toString();

it("what digests are made of holds no password", () => {
  expect(kept('{"URL":"s3://b/p","Username":"KEY","PASSWORD":"secret","pass":"secret"}')).toBe(
    '{"URL":"s3://b/p","Username":"KEY"}',
  );
  for (const url of [
    "https://KEY:se@c:r/et@host/b",
    "s3://KEY:secret@b",
    "KEY:secret@host",
    "https://K@Y:secret@h",
  ]) {
    expect(kept(JSON.stringify({ url }))).not.toMatch(/se@c|r\/et|secret/);
  }
  expect(kept('{"url":"https://host/b","Password":"secret"')).toBe("");
  expect(kept('["secret"]')).toBe("");
});

it("other bodies, and what else a hub's says, are told apart", () => {
  const run = '{"Env":{"password":"x"}}';
  expect(kept(run, ["instances", "run"])).toBe(run);
  expect(kept('{"url":"https://a:x@h/b"}')).not.toBe(kept('{"url":"https://b:x@h/b"}'));
  expect(kept('{"url":"https://h/a"}')).not.toBe(kept('{"url":"https://h/b"}'));
});

it("a refusal repeats a URL without its log-in", () => {
  expect(withoutLogIn("https://KEY:se@c/ret@host/b")).toBe("https://host/b");
  expect(withoutLogIn("s3://KEY:secret@b/p")).toBe("s3://b/p");
});
