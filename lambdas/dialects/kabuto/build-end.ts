import type { Failure } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Command } from "../../ledger/command.ts";
import type { Item, Write } from "../../ports/ledger-store.ts";
import type { OwnRecords } from "../own-records.ts";
import { goneWrite } from "./gone-images.ts";
import { counterWrite, findObject, readCounter } from "./objects.ts";
import { type BuildRecord, type ImageRecord, keys } from "./records.ts";
import { type StoredText, storedText } from "./stored-text.ts";

/** Characters of the reason for a build's failure. */
const MESSAGE = 4096;

/** Failures of a build that are its own; any other is the edge's. */
const OWN: readonly Failure["code"][] = [
  "BUILD_FAILED",
  "DEADLINE_EXCEEDED",
  "INVALID_PATH",
  "IMAGE_NOT_FOUND",
];

/** What a build's end writes: its outcome, and with success the image, which gets its id here and nowhere else. */
export async function buildEnd(
  records: OwnRecords,
  uid: string,
  item: Item<BuildRecord>,
  command: Command,
): Promise<Write[]> {
  const build = item.data;
  const counter = await readCounter(records, uid, "image");
  const ended = (end: BuildRecord["end"]): Write => {
    const { dockerfile: _, ...rest } = build;
    const data: BuildRecord = { ...rest, ...(end && { end }) };
    const expiresAt = (command.endedAt ?? build.createdAt) + LIMITS.historyMs;
    return { put: { ...keys.build(uid, build.id), expiresAt, data }, if: item.rev };
  };
  const owner = { user: command.user, uid };
  const { name, edge, ref = "" } = build;
  const text = await records.get<{ text: StoredText }>(keys.dockerfile(uid, build.id));
  const dockerfile = text?.data.text ?? storedText(build.dockerfile ?? "");
  const done: Write[] = text ? [{ delete: keys.dockerfile(uid, build.id) }] : [];
  if (command.state === "succeeded") {
    if (build.replaces === undefined) {
      const image: ImageRecord = { id: counter.id, name, dockerfile, createdAt: build.createdAt, edge, ref };
      return [
        ...done,
        ended({ state: "SUCCESS", image: image.id }),
        { put: { ...keys.object(uid, "image", image.id), data: image }, if: 0 },
        counterWrite(uid, "image", counter, { given: true, used: counter.used }),
      ];
    }
    const before = await findObject(records, uid, "image", build.replaces);
    // deleted while it was built
    if (!before) {
      const output = { text: "The image was deleted while it was built" };
      return [
        ...done,
        ended({ state: "FAILURE", error: "Docker threw an error", output }),
        goneWrite(owner, { edge, ref }),
      ];
    }
    const image: ImageRecord = { ...before.data, name, dockerfile, edge, ref };
    return [
      ...done,
      ended({ state: "SUCCESS", image: image.id }),
      { put: { ...keys.object(uid, "image", image.id), data: image }, if: before.rev },
      goneWrite(owner, before.data),
    ];
  }
  const freed =
    build.replaces === undefined ? [counterWrite(uid, "image", counter, { used: counter.used - 1 })] : [];
  return [...done, ended(failedEnd(command.failure)), ...freed];
}

function failedEnd(failure: Failure | undefined): NonNullable<BuildRecord["end"]> {
  if (failure && OWN.includes(failure.code)) {
    const { reason } = failure.data ?? {};
    const message = bounded(typeof reason === "string" && reason !== "" ? reason : failure.message);
    return { state: "FAILED", error: "Build failed", output: "log", message };
  }
  const text = bounded(failure?.message ?? "The build was cancelled").replace(/\s*[\r\n]+\s*/g, " ");
  return { state: "FAILURE", error: "Docker threw an error", output: { text } };
}

/** The end of a text, as much as a record holds of it. */
function bounded(text: string): string {
  return text.slice(-MESSAGE).toWellFormed();
}
