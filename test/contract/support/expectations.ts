import { expect } from "vitest";
import type { Answer } from "./client.ts";

/** What must never reach a user: stack frames, module paths, the language's own error names. */
const INSIDES =
  /\bat .+:\d+:\d+|node_modules|node:internal|(?:Type|Range|Reference|Syntax)Error|\/work\/|\.ts\b/;

/** A refusal of the contract: `{"error": CODE, "message": text}` with its status; returns the body. */
export function expectRefusal(answer: Answer, status: number, code: string, message?: string | RegExp) {
  expect({ status: answer.status, body: answer.text }).toMatchObject({
    status,
    body: expect.stringContaining(`"${code}"`),
  });
  expect(answer.header("content-type")).toMatch(/^application\/json\b/);
  const body = answer.json;
  expect(body.error).toBe(code);
  expect(body.message).toEqual(expect.any(String));
  expect(body.message).not.toBe("");
  expect(answer.text).not.toMatch(INSIDES);
  if (typeof message === "string") expect(body.message).toBe(message);
  else if (message) expect(body.message).toMatch(message);
  return body;
}

/** 400 `INVALID_PARAMETERS` whose message names the field. */
export function expectInvalid(answer: Answer, field: string) {
  return expectRefusal(answer, 400, "INVALID_PARAMETERS", new RegExp(`\\b${field}\\b.*\\S`));
}

/** 200 with exactly this body. */
export function expectOk(answer: Answer, body: unknown): void {
  expect({ status: answer.status, body: answer.text.startsWith("{") ? answer.json : answer.text }).toEqual({
    status: 200,
    body,
  });
  expect(answer.header("content-type")).toMatch(/^application\/json\b/);
}

/** 200 with this message; returns `data`. */
export function expectData(answer: Answer, message: string) {
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  expect(answer.header("content-type")).toMatch(/^application\/json\b/);
  const body = answer.json;
  expect(Object.keys(body)).toEqual(["message", "data"]);
  expect(body.message).toBe(message);
  return body.data;
}

export const UTC_SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
