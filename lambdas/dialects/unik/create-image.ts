import { PerigeeError } from "#protocol/errors.ts";
import { jsonAnswer } from "./answers.ts";
import type { Handle } from "./asked.ts";
import { basesOf } from "./bases-of.ts";
import { requireRoom } from "./bounds.ts";
import type { Seen } from "./change.ts";
import { readHoldings, whole } from "./holdings.ts";
import { imageView } from "./image-view.ts";
import { checkCompiler, checkProvider, compilerName, requireWorking } from "./known-compilers.ts";
import { readMountPoints } from "./mount-points.ts";
import { isMultipart } from "./multipart-body.ts";
import { checkName } from "./names.ts";
import { offerOf } from "./offer.ts";
import { Parameters } from "./parameters.ts";
import { SPACE } from "./pod-of.ts";
import { type ImageRecord, keys, type Provider } from "./records.ts";
import { tidyLeftSoon } from "./tidy-left.ts";
import { changeWithArchive } from "./with-archive.ts";

const IN_QUERY = ["provider", "base", "lang", "force"];

/** `POST /images/{name}/create` */
export const createImage: Handle = async (asked) => {
  const { c, core, owner, named, query } = asked;
  const name = named.image!;
  checkName("image", name);
  const parameters = new Parameters(query);
  const compiler = () => {
    const [provider, base, lang] = ["provider", "base", "lang"].map((one) => parameters.text(one));
    return { provider: provider!, base: base!, lang: lang! };
  };
  const takenOf = ({ holdings }: Seen) => holdings.images.find((one) => one.name === name);
  const requireFree = (seen: Seen) => {
    const now = takenOf(seen);
    if (now?.content && !parameters.flag("force")) {
      throw exists(`an image already exists with name '${name}', try again with --force`);
    }
    if (now?.making !== undefined) throw exists(`image '${name}' already exists: another call is making it`);
    if (!now) requireRoom("images", seen.holdings.images.length);
  };
  return changeWithArchive<"image.compile">(asked, parameters, {
    operation: "image.compile",
    before(seen) {
      checkGiven(compiler(), seen);
      // who says nothing in the query may force it by the form
      if (IN_QUERY.some((one) => query.has(one)) || !isMultipart(c)) requireFree(seen);
    },
    plan(seen, { id }, hasFile) {
      if (!hasFile) throw invalid("the form has no file 'tarfile'");
      const wanted = compiler();
      checkCompiler(wanted, seen.offer);
      requireWorking(wanted, seen.offer);
      requireFree(seen);
      const own = compilerName(wanted);
      const mountPoints = readMountPoints(parameters.text("mounts"), own);
      const ref = `u${id.toLowerCase()}`;
      const now = takenOf(seen);
      const pods = seen.holdings.instances.filter((one) => one.image === name).map(({ pod }) => pod);
      const data: ImageRecord = { ...now, name, making: id };
      const content = { version: id, ref, provider: wanted.provider as Provider, compiler: own, mountPoints };
      return {
        input: {
          space: SPACE,
          image: ref,
          base: wanted.base,
          language: wanted.lang,
          provider: wanted.provider,
          mountPoints,
          args: argsOf(parameters),
          ...(wanted.lang === "native" && { bases: basesOf(whole(seen.holdings.images)) }),
          ...(parameters.flag("no_cleanup") && { noCleanup: true }),
          ...(now?.content && { replaces: { image: now.content.ref, pods } }),
        },
        of: { ...owner, does: "create", name, content },
        writes: [{ put: { ...keys.image(owner, name), data } }],
      };
    },
    async respond() {
      await tidyLeftSoon(asked);
      const [{ images }, { mostMemoryMb }] = await Promise.all([
        readHoldings(core.records, owner),
        offerOf(core, owner.edge),
      ]);
      const made = whole(images).find((one) => one.name === name);
      if (!made)
        throw new PerigeeError("IMAGE_NOT_FOUND", `image ${name} not found: it was removed meanwhile`);
      return jsonAnswer(imageView(made, mostMemoryMb), 201);
    },
  });
};

/** What is in the query already is wrong before anything is read. */
function checkGiven(given: { provider: string; base: string; lang: string }, { offer }: Seen): void {
  const { provider, base, lang } = given;
  if (provider !== "") checkProvider(provider, offer);
  if (provider === "" || base === "" || lang === "") return;
  checkCompiler(given, offer);
  requireWorking(given, offer);
}

/** @throws INVALID_PARAMETERS for what no program can be given */
function argsOf(parameters: Parameters): string {
  const args = parameters.text("args");
  if (args.includes("\0")) throw invalid("args must not hold NUL");
  return args;
}

const exists = (message: string) => new PerigeeError("ALREADY_EXISTS", message);
const invalid = (message: string) => new PerigeeError("INVALID_PARAMETERS", message);
