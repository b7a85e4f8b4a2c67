import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { imageBytes } from "./image-bytes.ts";

test("of images the files that machines read count once, by what they take on disk", () => {
  const root = mkdtempSync(join(tmpdir(), "perigee-image-bytes-"));
  try {
    const [used, other] = ["1".repeat(64), "2".repeat(64)] as const;
    for (const name of [used, other]) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, "root.img"), "x".repeat(100_000));
    }
    // most disks have holes
    truncateSync(join(root, used, "root.img"), 1_000_000_000);
    const taken = statSync(join(root, used, "root.img")).blocks * 512;
    expect(taken).toBeLessThan(1_000_000);
    const asked = [`sha256:${used}`, `sha256:${used}`, `sha256:${"3".repeat(64)}`];
    expect(imageBytes(root, asked)).toBe(taken);
    expect(imageBytes(join(root, "none"), asked)).toBe(0);
  } finally {
    rmSync(root, { recursive: true });
  }
});
