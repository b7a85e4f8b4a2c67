import { expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import type { DialectContext } from "../dialect.ts";
import { requirePassing } from "./multipart-body.ts";

const sending = (length?: string) => ({ req: { header: () => length } }) as unknown as DialectContext;

test("a body that does not pass is refused with the ways for larger ones", () => {
  const core = { requestBytes: 4.25 * MiB };
  expect(() => requirePassing(sending(String(4.25 * MiB + 1)), core)).toThrow(
    expect.objectContaining({
      code: "BODY_TOO_LARGE",
      message: expect.stringMatching(/over 4\.3 MiB .*\/uplinks.*perigee compile/),
    }),
  );
  for (const length of [String(4.25 * MiB), undefined]) {
    expect(() => requirePassing(sending(length), core)).not.toThrow();
  }
  expect(() => requirePassing(sending(String(2 ** 40)), {})).not.toThrow();
});
