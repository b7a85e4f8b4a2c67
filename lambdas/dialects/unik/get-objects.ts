import { jsonAnswer } from "./answers.ts";
import { asOf } from "./as-of.ts";
import type { Asked, Handle } from "./asked.ts";
import { type Holdings, readHoldings, whole } from "./holdings.ts";
import { imageView } from "./image-view.ts";
import { instanceView, type RunsBy } from "./instance-view.ts";
import { lookup } from "./lookup.ts";
import { type Offer, offerOf } from "./offer.ts";
import { POD_PREFIX } from "./pod-of.ts";
import { volumeView } from "./volume-view.ts";
import { volumesOf } from "./volumes.ts";

type Asking = Pick<Asked, "core" | "owner">;

/** All that a request may ask of a user's objects, read at once. */
export async function seenBy({ core, owner }: Asking) {
  const [seen, offer] = await Promise.all([instancesSeenBy({ core, owner }), offerOf(core, owner.edge)]);
  return { ...seen, offer, volumes: await volumesOf(core, owner, seen.holdings, offer) };
}

/** What of it tells of instances: clients ask for these again and again. */
async function instancesSeenBy({ core, owner }: Asking) {
  const [holdings, runs] = await Promise.all([
    readHoldings(core.records, owner),
    core.inventory.podsNamed(owner.edge, owner.user, POD_PREFIX),
  ]);
  const byRun: RunsBy = new Map(runs.map((run) => [run.run, run]));
  return { holdings, runs: byRun };
}

type Stamped = { createdAt: number; name: string };
const inOrder = <T extends Stamped>(all: readonly T[]) =>
  [...all].sort((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1));
const named = <T extends { name: string }>(all: readonly T[]) => all.map((one) => ({ ...one, id: one.name }));

const images = (holdings: Holdings) =>
  whole(holdings.images).map((image) => ({ ...image, id: image.name, createdAt: image.content.createdAt }));
const imageOf = (image: Parameters<typeof imageView>[0], { mostMemoryMb }: Offer) =>
  imageView(image, mostMemoryMb);

/** `GET /images` */
export const getImages: Handle = async (asked) => {
  const { holdings, offer } = await seenBy(asked);
  const all = inOrder(images(holdings)).map((image) => imageOf(image, offer));
  return jsonAnswer(all, 200, await asOf(asked.core, asked.owner.edge));
};

/** `GET /images/{x}` */
export const getImage: Handle = async (asked) => {
  const { holdings, offer } = await seenBy(asked);
  const image = lookup("image", images(holdings), asked.named.image!, false);
  return jsonAnswer(imageOf(image, offer), 200, await asOf(asked.core, asked.owner.edge));
};

/** `GET /instances` */
export const getInstances: Handle = async (asked) => {
  const { holdings, runs } = await instancesSeenBy(asked);
  const all = inOrder(holdings.instances).map((instance) => instanceView(instance, runs));
  return jsonAnswer(all, 200, await asOf(asked.core, asked.owner.edge));
};

/** `GET /instances/{x}` */
export const getInstance: Handle = async (asked) => {
  const { holdings, runs } = await instancesSeenBy(asked);
  const instance = lookup("instance", holdings.instances, asked.named.instance!, false);
  return jsonAnswer(instanceView(instance, runs), 200, await asOf(asked.core, asked.owner.edge));
};

/** `GET /volumes` */
export const getVolumes: Handle = async (asked) => {
  const { holdings, volumes } = await seenBy(asked);
  const all = inOrder(volumes).map((volume) => volumeView(volume, holdings));
  return jsonAnswer(all, 200, await asOf(asked.core, asked.owner.edge));
};

/** `GET /volumes/{x}` */
export const getVolume: Handle = async (asked) => {
  const { holdings, volumes } = await seenBy(asked);
  const volume = lookup("volume", named(volumes), asked.named.volume!, false);
  return jsonAnswer(volumeView(volume, holdings), 200, await asOf(asked.core, asked.owner.edge));
};
