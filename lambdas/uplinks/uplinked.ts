import { json } from "../http/json-answer.ts";

/** The answer to an uplink that has arrived. */
export function uplinked({ count, bytes }: { count: number; bytes: number }): Response {
  return json({
    message: "Successfully uplinked files",
    data: { file_count: count, total_size_kb: Math.round((bytes / 1024) * 100) / 100 },
  });
}
