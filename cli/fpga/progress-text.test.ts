import { expect, test } from "vitest";
import { progressText } from "./progress-text.ts";

const NOW = Date.parse("2026-11-28T13:00:00Z");
const MiB = 1_048_576;
const said = (message: string | null, done?: number) =>
  progressText(
    { message } as Parameters<typeof progressText>[0],
    {
      ...{ command_id: "c", operation: "fpga.store", state: "running" },
      ...(done !== undefined && { progress: { phase: "receiving", done, total: 43 * MiB - 7 } }),
    },
    NOW,
  );

test("what has arrived before contact was lost is told, of today with the time alone", () => {
  const lost = "waiting for contact since 2026-11-28 12:40:11";
  expect(said(lost, 12.7 * MiB)).toBe("12 of 43 MB have arrived and contact was lost at 12:40Z");
  expect(said("waiting for contact since 2026-11-27 12:40:11", MiB)).toBe(
    "1 of 43 MB have arrived and contact was lost at 2026-11-27 12:40Z",
  );
  expect(said(lost)).toBe(lost);
  expect(said(lost, 0)).toBe(lost);
});

test("anything else is the image's own message", () => {
  expect(said("sent 12 of 43 MB", 12 * MiB)).toBe("sent 12 of 43 MB");
  expect(said("waiting for contact", 12 * MiB)).toBe("waiting for contact");
  expect(said(null)).toBe("saving");
});
