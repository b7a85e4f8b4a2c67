import { jsonAnswer } from "../answers.ts";
import type { Handle } from "../asked.ts";
import { imageView, timeOf } from "../image-view.ts";
import { readEntries } from "./entries.ts";
import type { HubEntry } from "./hub-records.ts";

/** `GET /hub/images`: what was pushed, and nothing else */
export const getHubImages: Handle = async ({ core }) => {
  const entries = (await readEntries(core)).sort(inOrder);
  const all = entries.map((entry) => ({ image: viewOf(entry), owner: entry.user }));
  // the ground's own
  return jsonAnswer(all, 200, { "perigee-as-of": timeOf(core.now()) });
};

function inOrder(a: HubEntry, b: HubEntry): number {
  if (a.image.createdAt !== b.image.createdAt) return a.image.createdAt - b.image.createdAt;
  const [one, other] = [`${a.name}/${a.user}`, `${b.name}/${b.user}`];
  return one < other ? -1 : 1;
}

function viewOf({ name, image }: HubEntry): object {
  return imageView({ name, content: { ...image, version: "", ref: "" } });
}
