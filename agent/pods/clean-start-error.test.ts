import { describe, expect, test } from "vitest";
import { cleanStartError } from "./clean-start-error.ts";

describe("cleanStartError", () => {
  const clean = (text: string, known: string[] = []) => cleanStartError(text, known);

  test("keeps what is about the payload", () => {
    const said =
      'failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/nope/x": stat /nope/x: no such file or directory: unknown';
    expect(clean(said, ["/nope/x"])).toBe('exec: "/nope/x": stat /nope/x: no such file or directory');
  });

  test("drops paths of the host", () => {
    const said =
      'error mounting "/srv/perigee/volumes/ada/x" to rootfs at "/data": mount /proc/self/fd/7:/data, flags 0x5000: stat /var/lib/docker/overlay2/abc/merged/x: denied';
    const cleaned = clean(said);
    expect(cleaned).not.toMatch(/srv|overlay2|perigee/);
    expect(cleaned).toContain("denied");
  });

  test("is bounded", () => {
    expect(clean("x".repeat(10_000)).length).toBeLessThanOrEqual(500);
  });
});
