import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PartHeader, readPartHeader } from "./part-header.ts";

const read = (block: string | Buffer) => readPartHeader(Buffer.from(block), 3);
const form = (parameters: string, ...more: string[]) =>
  [`Content-Disposition: form-data; ${parameters}`, ...more].join("\r\n");

describe("understood", () => {
  test.each<[string, string, PartHeader]>([
    ["a field", form('name="pod_name"'), { name: "pod_name" }],
    ["a file", form('name="files"; filename="a.txt"'), { name: "files", fileName: "a.txt" }],
    ["no quotes", form("name=files; filename=a/b.txt"), { name: "files", fileName: "a/b.txt" }],
    ["other cases", 'CONTENT-DISPOSITION:Form-Data;NAME="f";FileName="A"', { name: "f", fileName: "A" }],
    ["blanks", form('name = "f" ;  filename\t=\t"a" ; '), { name: "f", fileName: "a" }],
    [
      "a folded header",
      'Content-Disposition: form-data;\r\n name="f";\r\n\tfilename="a"',
      { name: "f", fileName: "a" },
    ],
    ["no file name", form('name="f"; filename=""'), { name: "f", fileName: "" }],
    ["UTF-8", form('name="f"; filename="naïve €.txt"'), { name: "f", fileName: "naïve €.txt" }],
    [
      "a byte order mark, which is part of the name",
      form('name="f"; filename="\ufeffa"'),
      { name: "f", fileName: "\ufeffa" },
    ],
    ["curl's escapes", form('name="f"; filename="a\\"b\\\\c"'), { name: "f", fileName: 'a"b\\c' }],
    ["a browser's backslash", form('name="f"; filename="a\\b"'), { name: "f", fileName: "a\\b" }],
    [
      "a browser's escapes",
      form('name="a%22b"; filename="%0D%0a%22%25"'),
      { name: 'a"b', fileName: '\r\n"%25' },
    ],
    ["semicolons in quotes", form('name="f"; filename="a; name=b"'), { name: "f", fileName: "a; name=b" }],
    ["RFC 5987", form("name=\"f\"; filename*=UTF-8'en'na%C3%AFve%20x"), { name: "f", fileName: "naïve x" }],
    ["RFC 5987 in ASCII", form("name=\"f\"; filename*=iso-8859-1''a%20b"), { name: "f", fileName: "a b" }],
    [
      "both, the extended one counts",
      form('name="f"; filename="na?ve"; filename*=utf-8\'\'na%C3%AFve'),
      { name: "f", fileName: "naïve" },
    ],
    ["an extended name", form("name*=utf-8''pod%5Fname"), { name: "pod_name" }],
    ["parameters of others", form('name="f"; size=3; creation-date="Wed"'), { name: "f" }],
    ["a type", form('name="f"', "Content-Type: application/json"), { name: "f" }],
    ["a type that is none", form('name="f"', "Content-Type: ???"), { name: "f" }],
    [
      "a character set",
      form('name="f"', 'Content-Type: text/plain; Charset="ISO-8859-1"'),
      { name: "f", charset: "ISO-8859-1" },
    ],
    [
      "encodings that are none",
      form('name="f"', "Content-Transfer-Encoding: BINARY", "Content-Encoding: identity"),
      { name: "f" },
    ],
    [
      "headers of others",
      form('name="f"', "X-A: 1", "X-A: 2", "Content-Length: 1", "Content-ID:"),
      { name: "f" },
    ],
  ])("%s", (_name, block, header) => {
    expect(read(block)).toEqual(header);
  });
});

describe("refused, with the part and the rule", () => {
  test.each<[string, string | Buffer, RegExp]>([
    ["no headers", "", /no Content-Disposition/],
    ["no disposition", "Content-Type: text/plain", /no Content-Disposition/],
    ["an attachment", 'Content-Disposition: attachment; name="f"; filename="a"', /form-data, not attachment/],
    ["a file", 'Content-Disposition: file; filename="a"', /form-data, not file/],
    ["no name", form('filename="a"'), /no name/],
    ["two dispositions", form('name="f"', 'Content-Disposition: form-data; name="g"'), /twice/],
    ["two names", form('name="f"; name="g"'), /name is given twice/],
    ["two file names", form('name="f"; filename="a"; filename="b"'), /filename is given twice/],
    ["a file name with blanks, not quoted", form("name=f; filename=my file.txt"), /must be quoted/],
    ["text after the quotes", form('name="f"; filename="a" b'), /must be quoted/],
    ["a quote that is not closed", form('name="f'), /has no end/],
    ["a quote that its backslash opens again", form('name="f"; filename="C:\\"'), /has no end/],
    ["a name without a value", form("name"), /no value/],
    ["a parameter without a name", form('="f"'), /no name/],
    ["a line feed in a file name", form('name="f"; filename="a\n.txt"'), /line end/],
    ["a carriage return in a file name", form('name="f"; filename="a\r.txt"'), /line end/],
    ["a folded file name", form('name="f"; filename="a\r\n .txt"'), /line end/],
    ["NUL", form('name="f\0"'), /NUL/],
    ["Latin-1", Buffer.from(form('name="f"; filename="caf\xe9"'), "latin1"), /UTF-8/],
    ["Latin-1 in RFC 5987", form("name=\"f\"; filename*=iso-8859-1''caf%E9"), /UTF-8/],
    ["RFC 5987 that is not UTF-8", form("name=\"f\"; filename*=utf-8''caf%E9"), /UTF-8/],
    ["RFC 5987 without a character set", form('name="f"; filename*=a.txt'), /utf-8''/],
    ["RFC 5987 with half an escape", form("name=\"f\"; filename*=utf-8''a%2"), /utf-8''/],
    ["RFC 2231's pieces", form('name="f"; filename*0="a"; filename*1="b"'), /in pieces/],
    ["RFC 2231's encoded pieces", form("name=\"f\"; filename*0*=utf-8''a; filename*1*=b"), /in pieces/],
    ["RFC 2047", form('name="f"; filename="=?utf-8?B?w6k=?="'), /encoded-word/],
    ["RFC 2047 in a name", form('name="=?UTF-8?Q?pod_name?="'), /encoded-word/],
    ["base64", form('name="f"', "Content-Transfer-Encoding: base64"), /base64 is not understood/],
    ["quoted-printable", form('name="f"', "Content-Transfer-Encoding: Quoted-Printable"), /not understood/],
    ["gzip", form('name="f"', "Content-Encoding: gzip"), /gzip is not understood/],
    ["a piece of a file", form('name="f"', "Content-Range: bytes 0-1/9"), /content-range/],
    ["parts within", form('name="files"', "Content-Type: Multipart/Mixed; boundary=in"), /within a part/],
    ["a line that is no header", form('name="f"', "hello"), /no header/],
    ["a header without a name", form('name="f"', ": x"), /no header/],
    ["65 headers", form('name="f"', ...Array.from({ length: 64 }, (_, i) => `X-${i}: 1`)), /64 headers/],
  ])("%s", (_name, block, rule) => {
    expect(() => read(block)).toThrow(
      expect.objectContaining({
        code: "INVALID_PARAMETERS",
        message: expect.stringMatching(/^Part 3 of the form/),
      }),
    );
    expect(() => read(block)).toThrow(rule);
  });

  test("the message names the field, as far as it can be read", () => {
    expect(() => read(form('name="pod_name"', "Content-Transfer-Encoding: base64"))).toThrow(
      'Part 3 of the form ("pod_name"): content-transfer-encoding base64 is not understood',
    );
  });
});

describe("any name comes back as it is", () => {
  const name = fc.string({ unit: "grapheme", maxLength: 30 }).filter((text) => text.isWellFormed());
  const stays = (text: string) => !/=\?[^?\s]+\?[bq]\?[^?]*\?=/i.test(text);
  const ways: Record<string, (text: string) => string> = {
    // a browser leaves backslashes as they are, so a name with one may be read in two ways
    "as browsers write it": (text) =>
      text.replace(/["\r\n]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`),
    "as curl writes it": (text) => text.replace(/["\\]/g, (c) => `\\${c}`),
  };
  test.each(Object.entries(ways))("%s", (_way, write) => {
    fc.assert(
      fc.property(name, (text) => {
        fc.pre(stays(text) && !/[\0]|%(22|0d|0a)/i.test(text));
        fc.pre(_way === "as curl writes it" ? !/[\r\n]/.test(text) : !text.includes("\\"));
        expect(read(form(`name="files"; filename="${write(text)}"`))).toEqual({
          name: "files",
          fileName: text,
        });
      }),
    );
  });

  test("as RFC 5987 writes it", () => {
    fc.assert(
      fc.property(name, (text) => {
        const encoded = encodeURIComponent(text).replace(
          /['()*]/g,
          (c) => `%${c.charCodeAt(0).toString(16)}`,
        );
        expect(read(form(`name="files"; filename*=utf-8''${encoded}`))).toEqual({
          name: "files",
          fileName: text,
        });
      }),
    );
  });
});
