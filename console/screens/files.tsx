import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Holding } from "../api/types.ts";
import { bytes } from "../format/bytes.ts";
import { dialectWord } from "../format/dialects.ts";
import { NAME, NAME_RULE } from "../format/run-form.ts";
import { holdings, useHoldings } from "../live/holdings.ts";
import { type Listing, lastListed, listAgain, listing, listings, readListing } from "../live/listings.ts";
import { edge } from "../live/live.ts";
import { Ago, ReportedAge } from "../parts/age.tsx";
import { Empty } from "../parts/empty.tsx";
import { Icon } from "../parts/icons.tsx";
import { failed, notify } from "../parts/notices.tsx";
import { go, route } from "../route.ts";
import { FilePreview } from "./file-preview.tsx";
import { FileTree } from "./file-tree.tsx";
import { Uplink } from "./uplink.tsx";

const added = signal<readonly string[]>([]);

export function FilesScreen() {
  useHoldings();
  const reported = edge.value?.volumes;
  const names = [...new Set([...(reported?.items.map(({ name }) => name) ?? []), ...added.value])].sort();
  const others = new Map(
    holdings.value.flatMap((one) => (one.kind === "volume" && one.known ? [[one.known, one]] : [])),
  );
  const [asked, preview] = route.value.rest;
  const volume = asked ?? names[0];
  return (
    <div class={`split${preview ? " with-detail" : ""}`}>
      <section class="panel list-panel" aria-labelledby="files-title">
        <header class="panel-head">
          <h2 id="files-title">Files</h2>
          <label class="inline">
            Volume{" "}
            <select value={volume ?? ""} onChange={(event) => go("files", event.currentTarget.value)}>
              {volume === undefined && <option value="">none yet</option>}
              {[...new Set([...names, ...(volume ? [volume] : [])])].map((name) => (
                <option key={name} value={name}>
                  {wordOf(name, others.get(name))}
                </option>
              ))}
            </select>
          </label>
          <span class="muted">{reported && <SizeOf volume={volume} />}</span>
          <span class="spring" />
          <NewVolume />
        </header>
        {volume === undefined ? (
          <Empty icon="files" title="You have no volume on this edge">
            Name one above, and send files into it: it is made with the first of them.
          </Empty>
        ) : (
          <VolumeFiles key={volume} volume={volume} />
        )}
      </section>
      {volume !== undefined && preview !== undefined && <FilePreview volume={volume} path={preview} />}
    </div>
  );
}

/** The name on the edge, and the one that another API gave it. */
function wordOf(name: string, of: Holding | undefined): string {
  if (!of) return name;
  return of.name === name
    ? `${name} (${dialectWord(of.dialect)})`
    : `${name} (${dialectWord(of.dialect)}: ${of.name})`;
}

function SizeOf({ volume }: { volume: string | undefined }) {
  const reported = edge.value?.volumes;
  const found = reported?.items.find(({ name }) => name === volume);
  if (!reported || !found) return null;
  return (
    <>
      {bytes(found.size)}, reported <ReportedAge seconds={reported.age} />
    </>
  );
}

function NewVolume() {
  const [name, setName] = useState("");
  const add = (event: SubmitEvent) => {
    event.preventDefault();
    if (!NAME.test(name)) {
      notify("critical", `Name of a volume: ${NAME_RULE.toLowerCase()}`);
      return;
    }
    added.value = [...added.value, name];
    go("files", name);
    setName("");
  };
  return (
    <form class="inline-form" onSubmit={add}>
      <input
        aria-label="Name of a new volume"
        placeholder="new volume"
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <button type="submit" class="button" disabled={name === ""}>
        Add
      </button>
    </form>
  );
}

function VolumeFiles({ volume }: { volume: string }) {
  const last = lastListed(volume);
  const known = listings.value.get(volume);
  const busy = listing.value.has(volume);
  // what the ground still has needs no contact; it may be gone there, and then the edge can be asked
  useEffect(() => {
    if (last) readListing(volume, last).catch(() => {});
  }, [volume, last?.command_id]);
  const again = () => listAgain(volume).catch((error: unknown) => failed(`List ${volume}`, error));
  return (
    <Uplink volume={volume} onArrived={again} tools={<Age of={known} busy={busy} again={again} />}>
      {known && known.entries.length > 0 && (
        <FileTree volume={volume} entries={known.entries} again={again} />
      )}
      {known && known.entries.length === 0 && (
        <Empty icon="files" title="This volume is empty">
          Drop files here, or choose them above.
        </Empty>
      )}
      {!known && (
        <Empty icon="files" title="Its files are not known here yet">
          <p class="pad">The edge has to be asked for them; what it says is kept here, with its age.</p>
          <button type="button" class="button" onClick={again} disabled={busy}>
            List them
          </button>
        </Empty>
      )}
    </Uplink>
  );
}

type AgeProps = { of: Listing | undefined; busy: boolean; again: () => void };

/** How old the listing is, and a newer one. */
function Age({ of: known, busy, again }: AgeProps) {
  return (
    <>
      <span class="muted" role="status">
        {known ? (
          <>
            as it was <Ago at={known.at} />
            {known.truncated && ", not all of it"}
          </>
        ) : (
          "not listed yet"
        )}
      </span>
      <button type="button" class="button" onClick={again} disabled={busy}>
        <Icon name="refresh" /> {busy ? "Asking the edge…" : "Refresh"}
      </button>
    </>
  );
}
