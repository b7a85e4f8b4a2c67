import { describe, expect, it } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { errors, REFUSALS } from "./refusals.ts";

async function told(error: PerigeeError, commandId?: string) {
  const response = errors(error.toFailure(), commandId);
  return { status: response.status, headers: response.headers, ...((await response.json()) as object) };
}
const P = "p".repeat(32);
const ID = "i".repeat(32);

describe("refusals", () => {
  it.each([
    [REFUSALS.rule("name", "is mandatory"), 400, "Ecs.0005", "name: is mandatory"],
    [REFUSALS.blank(), 400, "Common.0002", "The request body cannot be left blank."],
    [
      REFUSALS.otherProject(),
      400,
      "Common.0018",
      "The project ID in the URL is different from that in the token.",
    ],
    [new PerigeeError("UNAUTHORIZED", "why"), 401, "Common.0013", "Invalid token."],
    [REFUSALS.unknownImage(P, ID), 404, "Ecs.0031", `tenant [${P}] fpga image [${ID}] doesn't exist`],
    [
      REFUSALS.unknownPair(P, ID, "U"),
      404,
      "Ecs.0031",
      `tenant [${P}] fpga image [${ID}] is not related to image [U]`,
    ],
    [REFUSALS.protected(P, ID), 400, "Ecs.0005", `tenant [${P}] fpga image [${ID}] is protected`],
    [
      REFUSALS.notRelatable(P, ID, "U"),
      400,
      "Ecs.0005",
      `tenant [${P}] relate fpga image [${ID}] and image [U] failed: relation already exist or the related fpga image count of image reach the max limit`,
    ],
    [REFUSALS.notActive(), 400, "Ecs.0032", "The image is not in Active state."],
    [REFUSALS.quota("100 of 100 images"), 400, "Ecs.0001", "100 of 100 images"],
    [new PerigeeError("QUOTA_EXCEEDED", "bytes"), 400, "Ecs.0001", "bytes"],
    [new PerigeeError("QUEUE_FULL", "full"), 429, "Common.1503", "full"],
    [new PerigeeError("NOT_FOUND", "no"), 404, "Perigee.NOT_FOUND", "no"],
    [new PerigeeError("METHOD_NOT_ALLOWED", "no"), 405, "Perigee.METHOD_NOT_ALLOWED", "no"],
    [new PerigeeError("BODY_TOO_LARGE", "no"), 413, "Perigee.BODY_TOO_LARGE", "no"],
    [REFUSALS.checkpoint(), 501, "Perigee.NOT_IMPLEMENTED", expect.any(String)],
    [new PerigeeError("INTERNAL_ERROR", "no"), 500, "Common.0001", "no (command C)"],
  ] as [PerigeeError, number, string, string][])("%s", async (error, status, code, message) => {
    expect(await told(error, "C")).toMatchObject({ status, error: { code, message } });
  });

  it("say what may be asked, and when again", async () => {
    const method = await told(
      new PerigeeError("METHOD_NOT_ALLOWED", "", { data: { allow: ["GET", "POST"] } }),
    );
    expect(method.headers.get("allow")).toBe("GET, POST");
    for (const [retryAfter, seconds] of [
      [undefined, "10"],
      [1.2, "2"],
    ] as const) {
      const busy = await told(new PerigeeError("QUEUE_FULL", "", { data: { retryAfter } }));
      expect(busy.headers.get("retry-after")).toBe(seconds);
    }
  });
});
