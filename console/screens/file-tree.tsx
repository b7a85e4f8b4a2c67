import { useMemo, useState } from "preact/hooks";
import { command } from "../api/client.ts";
import type { Entry } from "../api/types.ts";
import { bytes } from "../format/bytes.ts";
import { type TreeRow, treeRows } from "../format/tree.ts";
import { ended } from "../live/ended.ts";
import { confirmed } from "../parts/confirm.tsx";
import { downloadContent } from "../parts/download.ts";
import { fetchFile } from "../parts/fetch-file.ts";
import { Icon } from "../parts/icons.tsx";
import { start } from "../parts/notices.tsx";
import { VirtualList } from "../parts/virtual-list.tsx";
import { to } from "../route.ts";

const ROW_PX = 36;

type Props = { volume: string; entries: readonly Entry[]; again: () => void };

/** A volume's tree: directories unfold, and of 100,000 entries only those in sight are in the page. */
export function FileTree({ volume, entries, again }: Props) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => treeRows(entries, open), [entries, open]);
  const fold = (path: string) => {
    const next = new Set(open);
    if (!next.delete(path)) next.add(path);
    setOpen(next);
  };
  return (
    <VirtualList
      label={`Files of ${volume}`}
      items={rows}
      rowHeight={ROW_PX}
      row={(row) => <FileRow row={row} volume={volume} fold={fold} again={again} />}
    />
  );
}

type RowProps = { row: TreeRow; volume: string; fold: (path: string) => void; again: () => void };

function FileRow({ row: { entry, path, depth, open }, volume, fold, again }: RowProps) {
  const remove = async () => {
    const text =
      entry.type === "directory" ? "With everything in it. It cannot be undone." : "It cannot be undone.";
    if (!(await confirmed(`Delete ${path}?`, text, "Delete it"))) return;
    const id = await start(`Delete ${path}`, () =>
      command("/em/files/delete", { pod_name: volume, filepath: path }),
    );
    if (id && (await ended(id)).state === "succeeded") again();
  };
  const download = async () => {
    const done = await fetchFile(volume, path);
    if (done) await downloadContent(done);
  };
  return (
    <div class="row file-row">
      {entry.type === "directory" ? (
        <button
          type="button"
          class="file-name"
          style={{ marginLeft: `${depth * 18}px` }}
          aria-expanded={open}
          onClick={() => fold(path)}
        >
          <span class={`fold${open ? " open" : ""}`}>
            <Icon name="chevron" />
          </span>
          <Icon name="folder" /> <span>{entry.name}</span>
        </button>
      ) : (
        <a class="file-name" style={{ marginLeft: `${depth * 18}px` }} href={to("files", volume, path)}>
          <span class="fold" />
          <Icon name="file" /> <span>{entry.name}</span>
        </a>
      )}
      {entry.type === "symlink" && <span class="tag">link</span>}
      <span class="spring" />
      <span class="row-end num">{bytes(Number(entry.size))}</span>
      <span class="row-end muted wide">{entry.time}</span>
      <span class="row-actions">
        <button
          type="button"
          class="icon-button"
          aria-label={`Download ${path}`}
          title="Download"
          onClick={download}
        >
          <Icon name="down" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label={`Delete ${path}`}
          title="Delete"
          onClick={remove}
        >
          <Icon name="trash" />
        </button>
      </span>
    </div>
  );
}
