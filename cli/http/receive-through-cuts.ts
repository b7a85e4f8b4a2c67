import { CliFailure } from "../failure.ts";
import { bytes } from "../output/text.ts";
import type { Session } from "../session.ts";
import type { Answer } from "./call.ts";
import { RangeMismatch, receive, type Sink } from "./download.ts";
import { isCut, networkFailure } from "./network-error.ts";

const MAX_CUTS = 5;

/** Where a download comes from, asked as often as it is cut. */
export type DownloadSource = {
  /** The answer with what the sink lacks. `same`: it is the object that an earlier, cut answer was a part of. */
  open(sink: Sink): Promise<{ answer: Answer; same: boolean }>;
  /** what was begun is there no more: the next attempt gets all of it */
  forget?(): void;
};

/**
 * Receives everything. After a cut it continues where the connection broke, as long as there is progress.
 * @param step what is being done, for people
 * @throws CliFailure; the reason of the session's signal
 */
export async function receiveThroughCuts(
  { client, output, signal, url }: Session,
  source: DownloadSource,
  sink: Sink,
  step: string,
): Promise<Answer> {
  const from = sink.offset;
  for (let cuts = 0; ; ) {
    const before = sink.offset;
    try {
      const { answer, same } = await source.open(sink);
      await receive(answer, sink, same, (done, total) => output.step(step, { done, total, from }));
      output.clear();
      return answer;
    } catch (error) {
      if (signal.aborted) throw error;
      const unfit =
        error instanceof RangeMismatch || (error instanceof CliFailure && error.fields.status === 416);
      if (!isCut(error) && !unfit) throw networkFailure(error, url);
      cuts = sink.offset > before ? 1 : cuts + 1;
      if (cuts > MAX_CUTS || client.options.waitMs === 0) throw networkFailure(error, url);
      if (unfit) {
        source.forget?.();
        if (sink.offset > 0) await sink.restart();
        continue;
      }
      output.notice(`the connection was cut after ${bytes(sink.offset)}; going on from there`);
      await client.patience().pause(200 * 2 ** cuts);
    }
  }
}
