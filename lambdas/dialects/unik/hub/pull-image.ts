import { PerigeeError } from "#protocol/errors.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { textAnswer } from "../answers.ts";
import type { Handle } from "../asked.ts";
import { requireRoom } from "../bounds.ts";
import type { Seen } from "../change.ts";
import { isTrue } from "../json-object.ts";
import { checkProvider } from "../known-compilers.ts";
import { checkName } from "../names.ts";
import { SPACE } from "../pod-of.ts";
import { type ImageRecord, keys, type Provider } from "../records.ts";
import { tidyLeftSoon } from "../tidy-left.ts";
import { changeWithStaged } from "../with-staged.ts";
import { hubOf } from "./hub-of.ts";
import type { PulledImage } from "./image-json.ts";
import { sourceOf } from "./pull-source.ts";
import { Gone, type Pulled } from "./pulled.ts";

/** An archive that is gone again and again is missing. */
const TRIES = 3;

/** `POST /images/pull/{name}`: what is in its place goes when it has arrived whole */
export const pullImage: Handle = async (asked) => {
  for (let tries = 1; ; tries++) {
    try {
      return await pull(asked);
    } catch (error) {
      if (!(error instanceof Gone) || tries === TRIES) throw error;
    }
  }
};

const pull: Handle = async (asked) => {
  const { owner, named, query } = asked;
  const name = named.image!;
  const provider = query.get("provider") ?? "";
  const isForced = isTrue(query.get("force"));
  checkName("image", name);
  const source = sourceOf(asked, await hubOf(asked));
  let entry: Pulled;
  const takenOf = ({ holdings }: Seen) => holdings.images.find((one) => one.name === name);
  const check = (seen: Seen) => {
    checkProvider(provider, seen.offer);
    requireFor(provider, name, entry.image);
    const now = takenOf(seen);
    if (now?.content && !isForced) {
      throw exists(`an image already exists with name '${name}', try again with --force`);
    }
    if (now?.making !== undefined) throw exists(`image '${name}' already exists: another call is making it`);
    if (!now) requireRoom("images", seen.holdings.images.length);
  };
  const answer = changeWithStaged<"image.import">(asked, {
    operation: "image.import",
    async before(seen) {
      checkProvider(provider, seen.offer);
      entry = await source.entry(name, query.get("owner") ?? "");
      check(seen);
      return { bytes: entry.bytes };
    },
    async stage({ prefix, allowance }) {
      if (allowance < entry.bytes) throw byteQuotaExceeded();
      const { xxh64 } = await entry.stage(`${prefix}0`);
      return { n: 0, path: "image.tar", size: entry.bytes, xxh64 };
    },
    plan(seen, { id }) {
      check(seen);
      const { image } = entry;
      const ref = `u${id.toLowerCase()}`;
      const now = takenOf(seen);
      const pods = seen.holdings.instances.filter((one) => one.image === name).map(({ pod }) => pod);
      const data: ImageRecord = { ...now, name, making: id };
      const content = {
        version: id,
        ref,
        provider: provider as Provider,
        compiler: image.compiler.replace(/[^-]*$/, provider),
        mountPoints: image.mountPoints,
      };
      return {
        input: {
          space: SPACE,
          image: ref,
          ...(now?.content && { replaces: { image: now.content.ref, pods } }),
        },
        of: { ...owner, does: "create", name, content },
        writes: [{ put: { ...keys.image(owner, name), data } }],
      };
    },
    async respond() {
      await tidyLeftSoon(asked);
      return textAnswer("", 202);
    },
    reword: (failure) =>
      failure.code === "IMAGE_LOAD_FAILED"
        ? {
            ...failure,
            message: `image ${name} cannot be pulled: ${failure.data?.reason ?? failure.message}`,
          }
        : failure,
  });
  return answer.finally(() => source.close());
};

/** What runs an image in a container takes it from any that does. @throws INVALID_PARAMETERS */
function requireFor(provider: string, name: string, image: PulledImage): void {
  const kind = (of: string) => (of === "qemu" ? of : "containers");
  if (kind(provider) === kind(image.provider)) return;
  throw new PerigeeError(
    "INVALID_PARAMETERS",
    `image ${name} is for ${image.provider}, and not for ${provider}`,
  );
}

const exists = (message: string) => new PerigeeError("ALREADY_EXISTS", message);
