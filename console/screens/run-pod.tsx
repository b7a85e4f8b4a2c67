import { useState } from "preact/hooks";
import { command } from "../api/client.ts";
import { EMPTY_RUN, type RunForm, runErrors, runFields } from "../format/run-form.ts";
import { edge } from "../live/live.ts";
import { Field, TextField } from "../parts/field.tsx";
import { Icon } from "../parts/icons.tsx";
import { start } from "../parts/notices.tsx";
import { go, to } from "../route.ts";

export function RunPod({ image }: { image: string }) {
  const [form, setForm] = useState<RunForm>({ ...EMPTY_RUN, image });
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const errors = tried ? runErrors(form) : {};
  const set = (field: keyof RunForm) => (value: string) => setForm({ ...form, [field]: value });
  const text = (field: keyof RunForm) => ({
    id: `run-${field}`,
    value: form[field],
    onValue: set(field),
    error: errors[field],
  });
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setTried(true);
    const [wrong] = Object.keys(runErrors(form));
    if (wrong) {
      document.getElementById(`run-${wrong}`)?.focus();
      return;
    }
    setBusy(true);
    const id = await start(`Run ${form.pod}`, () => command("/em/pod/run", runFields(form)));
    setBusy(false);
    if (id) go("pods", form.pod);
  };
  const nodes = [...new Set((edge.value?.nodes ?? []).map(({ kind }) => kind))];
  return (
    <section class="panel detail" aria-labelledby="run-title">
      <header class="panel-head">
        <h2 id="run-title">Run a pod</h2>
        <span class="spring" />
        <a class="icon-button" href={to("pods")} aria-label="Close the form">
          <Icon name="close" />
        </a>
      </header>
      <form class="detail-body form" onSubmit={submit} noValidate>
        <TextField {...text("pod")} label="Pod" hint="Names the pod and its volume" />
        <TextField
          {...text("image")}
          label="Image"
          list="run-images"
          hint="One of yours, or one that the edge has for all"
        />
        <datalist id="run-images">
          {edge.value?.images?.items.map(({ name, tag, id }) => (
            <option key={`${id}${name}${tag}`} value={`${name}:${tag}`} />
          ))}
        </datalist>
        <div class="form-pair">
          <Field id="run-node" label="Node" hint="What kind of processor">
            <select
              id="run-node"
              aria-describedby="run-node-hint"
              value={form.node}
              onChange={(event) => set("node")(event.currentTarget.value)}
            >
              {(nodes.length > 0 ? nodes : ["MPU", "GPU", "FPGA"]).map((kind) => (
                <option key={kind}>{kind}</option>
              ))}
            </select>
          </Field>
          <TextField {...text("minutes")} label="Minutes at most" hint="Then it is stopped" />
        </div>
        <TextField {...text("command")} label="Command" hint="Empty: what the image does by itself" />
        <TextField {...text("ports")} label="Ports" hint="Such as 80 443" />
        <Field id="run-envs" label="Environment" hint="One NAME=value in each line" error={errors.envs}>
          <textarea
            id="run-envs"
            rows={3}
            spellcheck={false}
            aria-describedby="run-envs-hint"
            aria-invalid={errors.envs !== undefined}
            value={form.envs}
            onInput={(event) => set("envs")(event.currentTarget.value)}
          />
        </Field>
        <TextField {...text("at")} label="Start at (UTC)" type="datetime-local" hint="Empty: at once" />
        <button class="button primary" type="submit" disabled={busy}>
          <Icon name="play" /> Run it
        </button>
      </form>
    </section>
  );
}
