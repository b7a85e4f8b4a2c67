import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { command } from "../api/client.ts";
import { directoryPaths, filePaths } from "../format/tree.ts";
import { lastListed, listAgain, listing, listings, readListing } from "../live/listings.ts";
import { edge } from "../live/live.ts";
import { TextField } from "../parts/field.tsx";
import { Icon } from "../parts/icons.tsx";
import { failed, start } from "../parts/notices.tsx";
import { go, to } from "../route.ts";

/** Builds from a volume: its files, as far as they were listed, are offered. */
export function BuildImage() {
  return (
    <MakeImage
      title="Build an image"
      verb="Build it"
      path="/em/pod/image/build"
      fields={[
        {
          name: "dockerfile",
          label: "Dockerfile",
          hint: "Its path in the volume",
          start: "Dockerfile",
          choose: "files",
        },
        {
          name: "context",
          label: "Context",
          hint: "The directory that it builds from; a full stop is all of it",
          start: ".",
          choose: "directories",
        },
      ]}
    />
  );
}

export function LoadImage() {
  return (
    <MakeImage
      title="Load an image"
      verb="Load it"
      path="/em/pod/image/load"
      fields={[
        {
          name: "tarfile",
          label: "Archive",
          hint: "What docker save wrote, as a file of the volume",
          start: "",
          choose: "files",
        },
      ]}
    />
  );
}

/** `choose`: what of the volume's tree is offered */
type Asked = {
  name: string;
  label: string;
  hint: string;
  start: string;
  choose: "files" | "directories";
};
type Props = { title: string; verb: string; path: string; fields: Asked[] };

function MakeImage({ title, verb, path, fields }: Props) {
  const volumes = edge.value?.volumes?.items.map(({ name }) => name) ?? [];
  const [values, setValues] = useState<Record<string, string>>({
    pod_name: volumes[0] ?? "",
    image: "",
    ...Object.fromEntries(fields.map((field) => [field.name, field.start])),
  });
  const [tried, setTried] = useState(false);
  const set = (name: string) => (value: string) => setValues({ ...values, [name]: value });
  const missing = (name: string) => (tried && !values[name]?.trim() ? "This is needed" : undefined);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setTried(true);
    const wrong = Object.keys(values).find((name) => !values[name]?.trim());
    if (wrong) {
      document.getElementById(`make-${wrong}`)?.focus();
      return;
    }
    const id = await start(`${title}: ${values.image}`, () => command(path, values));
    if (id) go("commands", id);
  };
  const volume = values.pod_name ?? "";
  const last = lastListed(volume);
  useEffect(() => {
    if (last) readListing(volume, last).catch(() => {});
  }, [volume, last?.command_id]);
  const entries = listings.value.get(volume)?.entries;
  const field = (
    name: string,
    label: string,
    hint: string,
    more: { list?: string } = {},
  ): ComponentChildren => (
    <TextField
      id={`make-${name}`}
      label={label}
      hint={hint}
      value={values[name] ?? ""}
      onValue={set(name)}
      error={missing(name)}
      {...more}
    />
  );
  return (
    <section class="panel detail" aria-labelledby="make-title">
      <header class="panel-head">
        <h2 id="make-title">{title}</h2>
        <span class="spring" />
        <a class="icon-button" href={to("images")} aria-label="Close the form">
          <Icon name="close" />
        </a>
      </header>
      <form class="detail-body form" onSubmit={submit} noValidate>
        {field("pod_name", "Volume", "Where its files are", { list: "make-volumes" })}
        <datalist id="make-volumes">
          {volumes.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <Choices id="make-files" names={filePaths(entries ?? [])} />
        <Choices id="make-directories" names={directoryPaths(entries ?? [])} />
        {!entries && volumes.includes(volume) && <ListFirst volume={volume} />}
        {fields.map(({ name, label, hint, choose }) => (
          <div key={name}>{field(name, label, hint, { list: `make-${choose}` })}</div>
        ))}
        {field("image", "Name of the image", "Such as echo-test or echo-test:2")}
        <button class="button primary" type="submit">
          {verb}
        </button>
        <p class="hint">Its log is shown while it works.</p>
      </form>
    </section>
  );
}

const MOST_CHOICES = 500;

function Choices({ id, names }: { id: string; names: readonly string[] }) {
  return (
    <datalist id={id}>
      {names.slice(0, MOST_CHOICES).map((name) => (
        <option key={name} value={name} />
      ))}
    </datalist>
  );
}

/** Its tree is not known here: what is in it can be typed, or asked for. */
function ListFirst({ volume }: { volume: string }) {
  const busy = listing.value.has(volume);
  const ask = () => listAgain(volume).catch((error: unknown) => failed(`List ${volume}`, error));
  return (
    <p class="detail-line hint">
      Its files are not listed yet, so none are offered below.
      <button type="button" class="button small" onClick={ask} disabled={busy}>
        {busy ? "Asking the edge…" : "List them"}
      </button>
    </p>
  );
}
