import { command } from "../api/client.ts";
import type { Holding, Image } from "../api/types.ts";
import { bytes } from "../format/bytes.ts";
import { dialectWord } from "../format/dialects.ts";
import { holdingStatus } from "../format/status.ts";
import { holdings, useHoldings } from "../live/holdings.ts";
import { edge } from "../live/live.ts";
import { Ago, ReportedAge } from "../parts/age.tsx";
import { confirmed } from "../parts/confirm.tsx";
import { Empty } from "../parts/empty.tsx";
import { Icon } from "../parts/icons.tsx";
import { start } from "../parts/notices.tsx";
import { StatusMark } from "../parts/status-mark.tsx";
import { route, to } from "../route.ts";
import { BuildImage, LoadImage } from "./make-image.tsx";

export function ImagesScreen() {
  const [form] = route.value.rest;
  useHoldings();
  const images = edge.value?.images;
  const others = holdings.value.filter(({ kind }) => kind === "image" || kind === "fpga-image");
  return (
    <div class={`split${form ? " with-detail" : ""}`}>
      <section class="panel list-panel" aria-labelledby="images-title">
        <header class="panel-head">
          <h2 id="images-title">Images</h2>
          {images && (
            <span class="muted">
              reported <ReportedAge seconds={images.age} />
              {images.truncated && ", not all of them"}
            </span>
          )}
          <span class="spring" />
          <a class="button" href={to("images", "load")}>
            Load
          </a>
          <a class="button primary" href={to("images", "build")}>
            Build
          </a>
        </header>
        {(images?.items.length ?? 0) + others.length === 0 ? (
          <Empty
            icon="images"
            title={images ? "You have no images on this edge" : "The edge has not reported its images yet"}
          >
            <a href={to("images", "build")}>Build one</a> from a Dockerfile in a volume, or{" "}
            <a href={to("images", "load")}>load an archive</a> that you sent.
          </Empty>
        ) : (
          <ul class="rows">
            {images?.items.map((image) => (
              <li key={`${image.name}:${image.tag}`} class="row">
                <ImageRow image={image} />
              </li>
            ))}
            {others.map((image) => (
              <li key={`${image.dialect} ${image.kind} ${image.name}`} class="row">
                <OtherImageRow image={image} />
              </li>
            ))}
          </ul>
        )}
      </section>
      {form === "build" && <BuildImage />}
      {form === "load" && <LoadImage />}
    </div>
  );
}

/** What another API made: it alone runs and deletes it. */
function OtherImageRow({ image }: { image: Holding }) {
  const { dialect, name, state, phase, bytes: size, created } = image;
  return (
    <>
      <span class="row-main wraps">
        <strong>{name}</strong> <span class="tag">{dialectWord(dialect)}</span>{" "}
        {state && <StatusMark status={holdingStatus({ state, phase })} />}
      </span>
      <span class="row-end num">{size === undefined ? "" : bytes(size)}</span>
      <span class="row-end muted wide">
        <Ago at={created} />
      </span>
      <span class="row-actions" />
    </>
  );
}

function ImageRow({ image }: { image: Image }) {
  const name = `${image.name}:${image.tag}`;
  const remove = async () => {
    const text = "Pods that run go on; new ones cannot be started from it.";
    if (!(await confirmed(`Delete ${name}?`, text, "Delete it"))) return;
    await start(`Delete ${name}`, () => command("/em/pod/image/delete", { image: name }));
  };
  return (
    <>
      <span class="row-main">
        <strong>{image.name}</strong>
        <span class="subject">:{image.tag}</span>
      </span>
      <code class="row-note muted">{image.id.replace("sha256:", "").slice(0, 12)}</code>
      <span class="row-end num">{bytes(image.size)}</span>
      <span class="row-end muted wide">
        <Ago at={image.created} />
      </span>
      <span class="row-actions">
        <a class="icon-button" href={to("pods", "-new", name)} aria-label={`Run ${name}`} title="Run">
          <Icon name="play" />
        </a>
        <button
          type="button"
          class="icon-button"
          onClick={remove}
          aria-label={`Delete ${name}`}
          title="Delete"
        >
          <Icon name="trash" />
        </button>
      </span>
    </>
  );
}
