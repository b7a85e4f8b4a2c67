import { vi } from "vitest";
import type { User } from "./session.ts";

export type Item = {
  id: string;
  name: string;
  status: string;
  message: string | null;
  protected: boolean;
  [field: string]: unknown;
};

/** Registers an image. @returns its id */
export async function register(user: User, fields: object = {}): Promise<string> {
  const body = JSON.stringify({
    fpga_image: { location: "abc:none.bin", name: "n", metadata: {}, ...fields },
  });
  const answer = await user.ask("POST", user.base, { body });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  return (JSON.parse(answer.text) as { fpga_image: { id: string } }).fpga_image.id;
}

/** What `detail` lists. */
export async function listed(user: User, query = ""): Promise<{ count: number; fpgaimages: Item[] }> {
  return JSON.parse((await user.ask("GET", `${user.base}/detail?${query}`)).text);
}

/** One image as `detail` has it; undefined when it is gone. */
export async function detail(user: User, id: string): Promise<Item | undefined> {
  return (await listed(user, `fpga_image_id=${id}`)).fpgaimages[0];
}

/** An image once it is no longer being saved. */
export function settled(user: User, id: string): Promise<Item> {
  return until(async () => {
    const image = await detail(user, id);
    if (!image || image.status === "saving")
      throw new Error(`the image is ${image?.status ?? "gone"}: ${image?.message}`);
    return image;
  });
}

/** Tries again until it throws no more: in hooks too, where `expect.poll` is not. */
const until = <T>(work: () => Promise<T>) => vi.waitFor(work, { timeout: 90_000, interval: 50 });

/** The body that names a container image. */
export const pair = (id: unknown) => ({ body: JSON.stringify({ image: { id } }) });

/** Ends every association and image of a user, and waits until they are gone. */
export async function removeImages(user: User): Promise<void> {
  const { ask, base } = user;
  for (const { id, protected: isProtected } of (await listed(user)).fpgaimages) {
    if (isProtected) {
      const { text } = await ask("GET", `${base}/associations?fpga_image_id=${id}`);
      const { associations } = JSON.parse(text) as { associations: { image_id: string }[] };
      for (const { image_id } of associations) {
        await ask("DELETE", `${base}/${id}/association`, pair(image_id));
      }
    }
    await ask("DELETE", `${base}/${id}`);
  }
  await until(async () => {
    const { count } = await listed(user);
    if (count > 0) throw new Error(`${count} images are left`);
  });
}
