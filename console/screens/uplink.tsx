import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { type Planned, uplink } from "../api/uplink.ts";
import { bytes } from "../format/bytes.ts";
import { ended } from "../live/ended.ts";
import { refresh } from "../live/live.ts";
import { Icon } from "../parts/icons.tsx";
import { notify, reasonOf } from "../parts/notices.tsx";

type Going = { phase: string; done: number; total: number; abort: AbortController };
type Props = {
  volume: string;
  onArrived: () => void;
  /** beside the button that sends */
  tools: ComponentChildren;
  children: ComponentChildren;
};

/** Takes files that are dropped or chosen, and sends them. */
export function Uplink({ volume, onArrived, tools, children }: Props) {
  const [going, setGoing] = useState<Going>();
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const send = async (files: Planned[]) => {
    if (files.length === 0 || going) return;
    const abort = new AbortController();
    const told = (phase: string, done: number, total: number) => setGoing({ phase, done, total, abort });
    told("hashing", 0, 0);
    try {
      const id = await uplink(volume, files, told, abort.signal);
      notify(
        "normal",
        `${files.length === 1 ? files[0]!.path : `${files.length} files`}: on the way to the edge`,
        id,
      );
      await refresh(id);
      setGoing(undefined);
      const done = await ended(id);
      if (done.state === "succeeded") onArrived();
      else notify("critical", `Uplink: ${done.error?.message ?? done.state}`, id);
    } catch (error) {
      if (!abort.signal.aborted) {
        notify("critical", `Uplink: ${reasonOf(error)} Send the same files again to go on where it stopped.`);
      }
      setGoing(undefined);
    }
  };
  const drop = async (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    await send(await droppedFiles(event.dataTransfer));
  };
  return (
    <div
      class={`drop${over ? " over" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <div class="toolbar">
        <input
          ref={input}
          type="file"
          multiple
          hidden
          data-testid="uplink-files"
          onChange={(event) => {
            void send(chosenFiles(event.currentTarget.files));
            event.currentTarget.value = "";
          }}
        />
        <button
          type="button"
          class="button primary"
          disabled={going !== undefined}
          onClick={() => input.current?.click()}
        >
          <Icon name="up" /> Send files
        </button>
        {going ? (
          <>
            <progress aria-label={going.phase} value={going.done} max={going.total || 1} />
            <span class="muted num">
              {going.phase} {bytes(going.done)} of {bytes(going.total)}
            </span>
            <button type="button" class="button small" onClick={() => going.abort.abort()}>
              Stop
            </button>
          </>
        ) : (
          <span class="muted">or drop them here</span>
        )}
        <span class="spring" />
        {tools}
      </div>
      {children}
    </div>
  );
}

function chosenFiles(files: FileList | null): Planned[] {
  return [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** With the files of directories that were dropped. */
async function droppedFiles(transfer: DataTransfer | null): Promise<Planned[]> {
  const entries = [...(transfer?.items ?? [])].flatMap((item) => item.webkitGetAsEntry() ?? []);
  return (await Promise.all(entries.map((entry) => filesBeneath(entry)))).flat();
}

async function filesBeneath(entry: FileSystemEntry): Promise<Planned[]> {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed));
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Planned[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await filesBeneath(one)));
  }
}
