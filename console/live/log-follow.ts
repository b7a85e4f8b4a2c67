import { type Signal, signal } from "@preact/signals";
import { ApiError, data } from "../api/client.ts";
import type { LogPage } from "../api/types.ts";
import { plainText } from "../format/plain-text.ts";

export type LogLine = { key: number; time?: string; stream?: "stderr"; text: string };
/** `apart`: some of them are known to be standard error's. */
type Lines = { all: readonly LogLine[]; apart: boolean };
export type FollowedLog = {
  /** a new object for every change, with the one array that grows */
  lines: Signal<Lines>;
  /** how the log stands: `waiting` for its first row */
  state: Signal<"waiting" | "following" | "complete" | "cut">;
  stop(): void;
};

const PAGE = 1000;
const WAIT_S = 20;
const RETRY_MS = 1000;

/** The rows of a command's log from their beginning on, as they come. */
export function followLog(command: string): FollowedLog {
  const lines = signal<Lines>({ all: [], apart: false });
  const state: FollowedLog["state"] = signal("waiting");
  const ended = new AbortController();
  const read = async () => {
    let after = 0;
    let apart = false;
    // one growing array: copying 100,000 lines for each page would take longer than showing them
    const all: LogLine[] = [];
    while (!ended.signal.aborted) {
      try {
        const query = `after=${after}&limit=${PAGE}&wait=${WAIT_S}`;
        const page = await data<LogPage>(`/commands/${encodeURIComponent(command)}/log?${query}`, {
          signal: ended.signal,
        });
        if (page.dropped) all.push({ key: -page.next, text: "… earlier rows are kept no more …" });
        for (const { cursor, time, stream, text } of page.rows) {
          all.push({ key: cursor, ...(time && { time }), ...(stream && { stream }), text: plainText(text) });
          if (stream) apart = true;
        }
        after = page.next;
        if (page.rows.length > 0 || page.dropped) lines.value = { all, apart };
        state.value = page.complete ? "complete" : all.length > 0 ? "following" : "waiting";
        if (page.complete) return;
      } catch (error) {
        if (ended.signal.aborted) return;
        state.value = error instanceof ApiError && error.code === "FILE_NOT_FOUND" ? "waiting" : "cut";
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    }
  };
  void read();
  return { lines, state, stop: () => ended.abort() };
}
