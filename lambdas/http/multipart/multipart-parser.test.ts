import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MultipartParser } from "./multipart-parser.ts";

type Part = { headers: string; content: string };

/** The parts of a body that comes in pieces of `step` bytes; every part must be ended. */
function parse(body: string | Buffer, boundary = "B", step = Number.MAX_SAFE_INTEGER): Part[] {
  const bytes = typeof body === "string" ? Buffer.from(body, "latin1") : body;
  const parts: (Part & { ended: boolean })[] = [];
  const parser = new MultipartParser(boundary, (headers, number) => {
    const part = { headers: headers.toString("latin1"), content: "", ended: false };
    expect(parts.push(part)).toBe(number);
    return {
      data(piece) {
        part.content += piece.toString("latin1");
      },
      end() {
        part.ended = true;
      },
    };
  });
  for (let at = 0; at < bytes.length; at += step) parser.write(bytes.subarray(at, at + step));
  parser.end();
  expect(parts.every(({ ended }) => ended)).toBe(true);
  return parts.map(({ headers, content }) => ({ headers, content }));
}

const refused = expect.objectContaining({ code: "INVALID_PARAMETERS" });
const one = (content: string, headers = "A: b") => [{ headers, content }];

describe.each([Number.MAX_SAFE_INTEGER, 7, 1])("a body in pieces of %i bytes", (step) => {
  test.each<[string, string, Part[]]>([
    ["one part", "--B\r\nA: b\r\n\r\nx\r\n--B--\r\n", one("x")],
    ["no line end after the last boundary", "--B\r\nA: b\r\n\r\nx\r\n--B--", one("x")],
    ["no parts", "--B--\r\n", []],
    ["several headers", "--B\r\nA: b\r\nC: d\r\n\r\nx\r\n--B--", one("x", "A: b\r\nC: d")],
    ["no headers", "--B\r\n\r\nx\r\n--B--", one("x", "")],
    ["no content", "--B\r\nA: b\r\n\r\n\r\n--B--", one("")],
    ["no content and no line end for it", "--B\r\nA: b\r\n\r\n--B--", one("")],
    ["a preamble and an epilogue", "see below\r\n--B\r\nA: b\r\n\r\nx\r\n--B--\r\nthat is all", one("x")],
    ["padding after boundaries", "--B \t\r\nA: b\r\n\r\nx\r\n--B-- \r\n", one("x")],
    [
      "content like a boundary",
      "--B\r\nA: b\r\n\r\n-B\r\r\n--C\n--B\r\n-B\r\n--B--",
      one("-B\r\r\n--C\n--B\r\n-B"),
    ],
  ])("%s", (_name, body, parts) => {
    expect(parse(body, "B", step)).toEqual(parts);
  });

  test.each([
    ["nothing", ""],
    ["no boundary", "hello"],
    ["line ends of LF alone", "--B\nA: b\n\nx\n--B--\n"],
    ["no end", "--B\r\nA: b\r\n\r\nx"],
    ["an end within headers", "--B\r\nA: b"],
    ["an end after a boundary", "--B\r\nA: b\r\n\r\nx\r\n--B"],
    ["an end within the last boundary", "--B\r\nA: b\r\n\r\nx\r\n--B-"],
    ["a boundary within headers", "--B\r\nA: b\r\n--B--\r\n"],
    ["a boundary after a boundary", "--B\r\n--B\r\nA: b\r\n\r\nx\r\n--B--"],
    ["a longer boundary", "--B\r\nA: b\r\n\r\nx\r\n--BB\r\nA: b\r\n\r\ny\r\n--B--"],
    ["text after the last boundary's dashes", "--B\r\nA: b\r\n\r\nx\r\n--B--x"],
    ["parts after the last boundary", "--B--\r\n--B\r\nA: b\r\n\r\nx\r\n--B--"],
    ["headers over 16 KiB", `--B\r\nA: ${"x".repeat(20_000)}\r\n\r\nx\r\n--B--`],
    ["a line of blanks without end", `--B${" ".repeat(300)}`],
  ])("is refused with %s", (_name, body) => {
    expect(() => parse(body, "B", step)).toThrow(refused);
  });
});

test("any contents and any boundary, in any pieces: every byte in its place", () => {
  const boundary = fc.stringMatching(/^[A-Za-z0-9'()+_,./:=?-]{1,70}$/);
  const odd = fc.constantFrom("\r\n", "\r", "\n", "--", "-", "\r\n--", "\0", "\xff");
  const content = fc.array(fc.oneof(odd, fc.string({ unit: "binary-ascii", maxLength: 9 })), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(
      boundary,
      fc.array(content, { maxLength: 6 }),
      fc.nat({ max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      (b, contents, cut, step) => {
        // also the beginning of the boundary itself, which is content as long as it is no boundary
        const texts = contents.map((pieces) => pieces.join(`\r\n--${b}`.slice(0, cut)));
        fc.pre(texts.every((text) => !`\r\n${text}`.includes(`\r\n--${b}`)));
        const body = texts.map((text, i) => `--${b}\r\nN: ${i}\r\n\r\n${text}\r\n`).join("");
        expect(parse(`${body}--${b}--`, b, step)).toEqual(
          texts.map((text, i) => ({ headers: `N: ${i}`, content: text })),
        );
      },
    ),
    { numRuns: 500 },
  );
});

test("whatever comes in: parts, or refused; and the same however it is cut", () => {
  const token = fc.constantFrom(
    "--B",
    "--B--",
    "\r\n",
    "\r",
    "\n",
    " ",
    "A: b",
    "x",
    "\r\n\r\n",
    "-",
    "--BB",
  );
  const attempt = (body: string, step: number) => {
    try {
      return parse(body, "B", step);
    } catch (error) {
      expect(error).toMatchObject({ code: "INVALID_PARAMETERS" });
      return "refused";
    }
  };
  fc.assert(
    fc.property(fc.array(token, { maxLength: 14 }), fc.integer({ min: 1, max: 9 }), (tokens, step) => {
      const body = tokens.join("");
      expect(attempt(body, step)).toEqual(attempt(body, Number.MAX_SAFE_INTEGER));
    }),
    { numRuns: 2000 },
  );
});
