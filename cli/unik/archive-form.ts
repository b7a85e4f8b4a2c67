import type { LocalFile } from "../files/collect.ts";
import { multipart } from "../http/multipart.ts";
import type { Output } from "../output/output.ts";

/** Makes the form with an archive anew for each try, with a bar while it is sent. */
export function archiveForm(
  output: Output,
  file: LocalFile,
  fields: Record<string, string | undefined> = {},
): () => ReturnType<typeof multipart> {
  return () => {
    let done = 0;
    const sent = (bytes: number) => {
      done += bytes;
      output.step("uploading", { done, total: file.size });
    };
    return multipart(fields, [file], sent, "tarfile");
  };
}
