import { useEffect, useMemo, useState } from "preact/hooks";
import { filterLog, type LogFilter } from "../format/log-filter.ts";
import { followLog, type LogLine } from "../live/log-follow.ts";
import { Icon } from "./icons.tsx";
import { save } from "./save.ts";
import { VirtualList } from "./virtual-list.tsx";

const ROW_PX = 20;
const WORDS = {
  waiting: "Waiting for the first line",
  following: "Following",
  complete: "Complete",
  cut: "Cut; trying again",
};

/** The log of a run or of a build, live. Long lines scroll sideways. */
export function LogView({ command, name }: { command: string; name: string }) {
  const log = useMemo(() => followLog(command), [command]);
  useEffect(() => log.stop, [log]);
  const [follow, setFollow] = useState(true);
  const [text, setText] = useState("");
  const [stream, setStream] = useState<LogFilter["stream"]>("both");
  const { value } = log.lines;
  const { all: lines, apart } = value;
  // where they are not known apart there is nothing to choose by
  const of = apart ? stream : "both";
  const shown = useMemo(() => filterLog(lines, { text, stream: of }), [value, text, of]);
  const download = () => {
    const body = shown.map((line) => `${line.time ? `${line.time} ` : ""}${line.text}\n`);
    save(new Blob(body, { type: "application/octet-stream" }), `${name}.log`);
  };
  return (
    <section class="log" aria-label={`Log of ${name}`}>
      <div class="log-bar">
        <label class="search">
          <Icon name="search" />
          <input
            type="search"
            placeholder="Search"
            aria-label="Search the log"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        {apart && (
          <select
            aria-label="Stream"
            value={stream}
            onChange={(event) => setStream(event.currentTarget.value as LogFilter["stream"])}
          >
            <option value="both">both streams</option>
            <option value="stdout">stdout</option>
            <option value="stderr">stderr</option>
          </select>
        )}
        <span class="muted" role="status">
          {WORDS[log.state.value]} · <span class="num">{shown.length.toLocaleString("en")}</span>
          {(text || of !== "both") && ` of ${lines.length.toLocaleString("en")}`} lines
        </span>
        <span class="spring" />
        <button type="button" class="button small" aria-pressed={follow} onClick={() => setFollow(!follow)}>
          Follow
        </button>
        <button
          type="button"
          class="button small"
          aria-label="Download"
          title="Download what is shown"
          onClick={download}
          disabled={shown.length === 0}
        >
          <Icon name="down" />
        </button>
      </div>
      <VirtualList
        class="log-lines"
        label="Lines of the log"
        items={shown}
        length={shown.length}
        rowHeight={ROW_PX}
        row={apart ? markedLine : lineOf}
        follow={follow}
        onFollow={setFollow}
      />
    </section>
  );
}

function lineOf({ time, text }: LogLine) {
  return (
    <>
      <span class="log-time">{time?.slice(11, 23) ?? ""}</span>
      <span>{text}</span>
    </>
  );
}

/** Where the streams are known apart. */
function markedLine({ time, stream, text }: LogLine) {
  return (
    <>
      <span class="log-time">{time?.slice(11, 23) ?? ""}</span>
      <span class="log-stream">{stream ? "err" : ""}</span>
      <span>{text}</span>
    </>
  );
}
