import { describe, expect, test } from "vitest";
import { decodePercent, decodeText } from "./decode-text.ts";

const latin1 = (text: string) => Buffer.from(text, "latin1");

describe("decodeText", () => {
  test.each<[Buffer, string | undefined, string]>([
    [Buffer.from("naïve €\0"), undefined, "naïve €\0"],
    [Buffer.from("\ufeffx"), "UTF-8", "\ufeffx"],
    [Buffer.from("ü"), " utf8 ", "ü"],
    [Buffer.from("plain"), "ISO-8859-1", "plain"],
    [Buffer.from("plain"), "windows-1252", "plain"],
    [Buffer.from("plain"), "us-ascii", "plain"],
    [Buffer.alloc(0), undefined, ""],
  ])("%j as %s", (bytes, charset, text) => {
    expect(decodeText(bytes, charset)).toBe(text);
  });

  test.each<[Buffer, string | undefined]>([
    [latin1("caf\xe9"), undefined],
    [latin1("caf\xe9"), "iso-8859-1"],
    [Buffer.from("café"), "us-ascii"],
    [Buffer.from("plain"), "utf-16"],
    [Buffer.from("plain"), "utf-7"],
    [Buffer.from("plain"), "no such"],
    [latin1("\xc0\x80"), undefined],
    [latin1("\xed\xa0\x80"), undefined],
    [latin1("\xf4\x90\x80\x80"), undefined],
    [latin1("\xc3"), undefined],
  ])("refuses %j as %s", (bytes, charset) => {
    expect(() => decodeText(bytes, charset)).toThrow(SyntaxError);
  });
});

test.each([
  ["a%20b+c", "a b+c"],
  ["%C3%BC%c3%bc", "üü"],
  [latin1("\xc3\xbc").toString("latin1"), "ü"],
  ["100%", "100%"],
  ["%zz%2", "%zz%2"],
  ["%00", "\0"],
  ["%2525", "%25"],
])("decodePercent %j", (encoded, text) => {
  expect(decodePercent(encoded)).toBe(text);
});

test.each(["%FC", "caf\xe9", "%ED%A0%80", "%C3x"])("decodePercent refuses %j", (encoded) => {
  expect(() => decodePercent(encoded)).toThrow(SyntaxError);
});
