import { networkFailure } from "../http/network-error.ts";
import { safe } from "../output/text.ts";
import { writeOut } from "../output/write-out.ts";
import type { Session } from "../session.ts";
import { UnikApi } from "./unik-api.ts";

const NUL = "\0";

/** Writes an instance's log as it comes, without its first line and the bytes that only say that it goes on. */
export async function showInstanceLog(
  { client, output, url, signal }: Session,
  path: string,
): Promise<undefined> {
  const { body } = await new UnikApi(client).open(path);
  const decoder = new TextDecoder();
  let rest = "";
  let isFirst = true;
  const show = async (lines: string[]) => {
    if (isFirst && lines.length > 0) {
      lines.shift();
      isFirst = false;
    }
    await writeOut(lines.map((line) => `${output.json ? JSON.stringify({ line }) : safe(line)}\n`).join(""));
  };
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const lines = (rest + decoder.decode(chunk, { stream: true }).replaceAll(NUL, "")).split("\n");
      rest = lines.pop() ?? "";
      await show(lines);
    }
  } catch (error) {
    throw signal.aborted ? error : networkFailure(error, url);
  }
  if (rest !== "") await show([rest]);
}
