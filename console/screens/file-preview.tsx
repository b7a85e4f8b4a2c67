import { useEffect, useState } from "preact/hooks";
import { bytes } from "../format/bytes.ts";
import { edgeCommands } from "../live/live.ts";
import { Ago } from "../parts/age.tsx";
import { contentOf, downloadContent } from "../parts/download.ts";
import { fetchFile } from "../parts/fetch-file.ts";
import { Icon } from "../parts/icons.tsx";
import { reasonOf } from "../parts/notices.tsx";
import { to } from "../route.ts";

const TEXT_BYTES = 256 * 1024;
const IMAGE_BYTES = 8 * 1024 * 1024;
/** Types by which a browser draws a picture and runs nothing. */
const PICTURES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
};

/** What of a file was brought down, as text or as a picture: never as a page. */
export function FilePreview({ volume, path }: { volume: string; path: string }) {
  const command = edgeCommands.value.find(
    ({ operation, state, input }) =>
      operation === "volume.read" &&
      state === "succeeded" &&
      input.volume === volume &&
      input.path === path &&
      !input.range,
  );
  const [busy, setBusy] = useState(false);
  const bring = async () => {
    setBusy(true);
    await fetchFile(volume, path);
    setBusy(false);
  };
  return (
    <section class="panel detail" aria-labelledby="preview-title">
      <header class="panel-head">
        <h2 id="preview-title" class="subject">
          {path}
        </h2>
        <span class="spring" />
        {command && (
          <button type="button" class="button small" onClick={() => downloadContent(command)}>
            <Icon name="down" /> Download
          </button>
        )}
        <a class="icon-button" href={to("files", volume)} aria-label="Close the file">
          <Icon name="close" />
        </a>
      </header>
      <div class="detail-body fill">
        <div class="detail-line">
          <button
            type="button"
            class={`button${command ? " small" : " primary"}`}
            onClick={bring}
            disabled={busy}
          >
            {busy ? "On its way…" : command ? "Bring it down again" : "Bring it down"}
          </button>
          {command?.ended_at && (
            <span class="muted">
              as it was <Ago at={command.ended_at} />
            </span>
          )}
        </div>
        {command && <Content key={command.command_id} id={command.command_id} path={path} />}
      </div>
    </section>
  );
}

type Shown = { text: string } | { picture: string } | { note: string };

function Content({ id, path }: { id: string; path: string }) {
  const [shown, setShown] = useState<Shown>();
  useEffect(() => {
    let url: string | undefined;
    const command = edgeCommands.peek().find((one) => one.command_id === id)!;
    const read = async (): Promise<Shown> => {
      const size = Number(command.result?.total ?? 0);
      const type = PICTURES[path.split(".").at(-1)?.toLowerCase() ?? ""];
      const bound = type ? IMAGE_BYTES : TEXT_BYTES;
      if (size > bound) return { note: `${bytes(size)}: too large to be shown here. Download it.` };
      const blob = await contentOf(command);
      if (type) {
        url = URL.createObjectURL(new Blob([blob], { type }));
        return { picture: url };
      }
      const text = await blob.text();
      return text.includes("\0") ? { note: `${bytes(size)} that are no text. Download it.` } : { text };
    };
    read().then(setShown, (error: unknown) => setShown({ note: reasonOf(error) }));
    return () => url && URL.revokeObjectURL(url);
  }, [id, path]);
  if (!shown) return <p class="muted">Reading…</p>;
  if ("note" in shown) return <p class="muted">{shown.note}</p>;
  if ("picture" in shown) return <img class="picture" src={shown.picture} alt={path} />;
  return (
    <pre class="code preview" tabIndex={0}>
      {shown.text}
    </pre>
  );
}
