import { expect, test } from "vitest";
import { unquoted } from "./unquoted.ts";

test.each([
  [`"plain"`, "plain"],
  [String.raw`"a\nb\tc\\d\"e"`, 'a\nb\tc\\d"e'],
  [String.raw`"\303\244\342\202\254"`, "ä€"],
  [String.raw`"\001\177"`, "\x01\x7f"],
  [String.raw`"\0012"`, "\x012"],
  [String.raw`"bad\377"`, "bad\ufffd"],
  [`"a -> b"`, "a -> b"],
  [`""`, ""],
])("%s", (text, name) => expect(unquoted(text)).toBe(name));
