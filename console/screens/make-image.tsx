import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { command } from "../api/client.ts";
import { filePaths } from "../format/tree.ts";
import { listings } from "../live/listings.ts";
import { edge } from "../live/live.ts";
import { TextField } from "../parts/field.tsx";
import { Icon } from "../parts/icons.tsx";
import { start } from "../parts/notices.tsx";
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
          file: true,
        },
        {
          name: "context",
          label: "Context",
          hint: "The directory that it builds from; a full stop is all of it",
          start: ".",
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
          file: true,
        },
      ]}
    />
  );
}

type Asked = { name: string; label: string; hint: string; start: string; file?: true };
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
  const files = filePaths(listings.value.get(values.pod_name ?? "")?.entries ?? []);
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
        <datalist id="make-files">
          {files.slice(0, 500).map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        {fields.map(({ name, label, hint, file }) => (
          <div key={name}>{field(name, label, hint, file ? { list: "make-files" } : {})}</div>
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
