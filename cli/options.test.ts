import { describe, expect, test } from "vitest";
import { moment } from "./options.ts";

describe("moments", () => {
  test("with a zone they stay, without they are this machine's, + is from now", () => {
    expect(moment("2025-05-22T12:10:00+02:00")).toBe("2025-05-22T12:10:00+02:00");
    expect(moment("2025-05-22T12:10Z")).toBe("2025-05-22T12:10Z");
    expect(moment("2025-05-22T12:10")).toBe(new Date(2025, 4, 22, 12, 10).toISOString());
    expect(moment("2025-05-22 12:10")).toBe(new Date(2025, 4, 22, 12, 10).toISOString());
    const before = Date.now();
    expect(Date.parse(moment("+10m"))).toBeGreaterThanOrEqual(before + 600_000);
    for (const text of ["tomorrow", "12:10", "2025-13-01T00:00Z", "+x"]) expect(() => moment(text)).toThrow();
  });
});
