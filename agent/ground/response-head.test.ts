import { describe, expect, it } from "vitest";
import { plainBodyLength } from "./response-head.ts";

const head = (...lines: string[]) => lines.join("\r\n");
const OK = "HTTP/1.1 200 OK";
const PART = "HTTP/1.1 206 Partial Content";

describe("plainBodyLength", () => {
  it.each([
    [head(OK, "Content-Length: 12"), 0, 12],
    [head("HTTP/1.1 200", "content-LENGTH:0"), 0, 0],
    [head(OK, "X: a:b", "Set-Cookie: a", "Set-Cookie: b", "Content-Length: \t7 \t"), 0, 7],
    [head(PART, "Content-Length: 3", "Content-Range: bytes 7-9/10"), 7, 3],
    [head(PART, "Content-Length: 3", "Content-Range: bytes 7-9/*"), 7, 3],
  ])("reads %j", (text, start, length) => {
    expect(plainBodyLength(text, start)).toBe(length);
  });

  it.each([
    ["nothing", "", 0],
    ["no length", head(OK, "Content-Type: text/plain"), 0],
    ["another status", head("HTTP/1.1 404 Not Found", "Content-Length: 1"), 0],
    ["a longer status", head("HTTP/1.1 2000 OK", "Content-Length: 1"), 0],
    ["an interim answer", head("HTTP/1.1 100 Continue"), 0],
    ["HTTP/1.0", head("HTTP/1.0 200 OK", "Content-Length: 1"), 0],
    ["two lengths", head(OK, "Content-Length: 1", "Content-Length: 1"), 0],
    ["a list of lengths", head(OK, "Content-Length: 1, 1"), 0],
    ["a signed length", head(OK, "Content-Length: +1"), 0],
    ["a hexadecimal length", head(OK, "Content-Length: 0x10"), 0],
    ["a length beyond all bounds", head(OK, "Content-Length: 9999999999999999"), 0],
    ["chunks and a length", head(OK, "Content-Length: 1", "Transfer-Encoding: chunked"), 0],
    ["a coded body", head(OK, "Content-Length: 1", "Content-Encoding: gzip"), 0],
    ["a folded line", head(OK, "Content-Length: 1", " 2"), 0],
    ["a blank before the colon", head(OK, "Content-Length : 1"), 0],
    ["a bare line feed", head(OK, "X: a\nContent-Length: 1"), 0],
    ["the whole instead of a part", head(OK, "Content-Length: 10"), 7],
    ["a part without its range", head(PART, "Content-Length: 3"), 7],
    ["another part", head(PART, "Content-Length: 3", "Content-Range: bytes 6-8/10"), 7],
    ["a range of another length", head(PART, "Content-Length: 3", "Content-Range: bytes 7-8/10"), 7],
    ["another unit", head(PART, "Content-Length: 3", "Content-Range: lines 7-9/10"), 7],
  ])("refuses %s", (_what, text, start) => {
    expect(plainBodyLength(text, start)).toBeUndefined();
  });
});
