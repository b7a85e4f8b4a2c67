import pino from "pino";
import { describe, expect, test } from "vitest";
import { ERRORS, type ErrorCode, PerigeeError } from "#protocol/errors.ts";
import { errorResponse, failureResponse } from "./errors.ts";

function logged() {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "trace" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { log, lines };
}

describe("errorResponse", () => {
  test("every code has its status and a body of code and message", async () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const response = errorResponse(new PerigeeError(code, "why"), logged());
      expect(response.status).toBe(ERRORS[code][0]);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await response.json()).toMatchObject({ error: code, message: "why" });
      expect(response.headers.has("retry-after")).toBe([423, 429, 503].includes(response.status));
    }
  });

  test("data goes beside error and message", async () => {
    const error = new PerigeeError("BUILD_FAILED", "Docker build failed", { data: { log_tail: ["a\n"] } });
    expect(await errorResponse(error, logged()).json()).toEqual({
      error: "BUILD_FAILED",
      message: "Docker build failed",
      log_tail: ["a\n"],
    });
  });

  test("LOCKED keeps its data in `data`, and Retry-After in the header only", async () => {
    const since = "2025-11-20T12:31:12Z";
    for (const data of [
      { since, retryAfter: 7 },
      { data: { since }, retryAfter: 6.2 },
    ]) {
      const response = errorResponse(new PerigeeError("LOCKED", "CG2 is busy", { data }), logged());
      expect(response.headers.get("retry-after")).toBe("7");
      expect(await response.json()).toEqual({ error: "LOCKED", message: "CG2 is busy", data: { since } });
    }
  });

  test("401 has detail and WWW-Authenticate", async () => {
    const response = errorResponse(new PerigeeError("UNAUTHORIZED", "no token"), logged());
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(await response.json()).toEqual({ error: "UNAUTHORIZED", message: "no token", detail: "no token" });
  });

  test("405 has Allow and 416 has Content-Range", () => {
    expect(
      failureResponse({
        code: "METHOD_NOT_ALLOWED",
        message: "",
        data: { allow: ["GET", "POST"] },
      }).headers.get("allow"),
    ).toBe("GET, POST");
    expect(
      failureResponse({ code: "RANGE_NOT_SATISFIABLE", message: "", data: { total: 10 } }).headers.get(
        "content-range",
      ),
    ).toBe("bytes */10");
  });

  test("anything else is INTERNAL_ERROR: the cause is logged under the command's id and not told", async () => {
    const { log, lines } = logged();
    const response = errorResponse(new Error("password=hunter2"), { log, commandId: "01X" });
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(JSON.parse(text)).toEqual({
      error: "INTERNAL_ERROR",
      message: "Internal error",
      command_id: "01X",
    });
    expect(lines).toMatchObject([{ command: "01X", err: { message: "password=hunter2" } }]);
  });

  test("the cause of a known error is logged and not told; without a cause nothing is", async () => {
    const { log, lines } = logged();
    const response = errorResponse(
      new PerigeeError("STORAGE_FULL", "full", { cause: new Error("ENOSPC /dev") }),
      { log },
    );
    expect(await response.text()).not.toContain("ENOSPC");
    expect(lines).toMatchObject([{ code: "STORAGE_FULL", err: { message: "ENOSPC /dev" } }]);
    errorResponse(new PerigeeError("FILE_NOT_FOUND", "gone"), { log });
    expect(lines).toHaveLength(1);
  });

  test.each([undefined, null, "text", 1, {}])("thrown %j is INTERNAL_ERROR too", (thrown) => {
    expect(errorResponse(thrown, logged()).status).toBe(500);
  });
});
