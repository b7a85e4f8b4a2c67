import { PerigeeError } from "#protocol/errors.ts";
import { noContent } from "./answers.ts";
import type { Handle } from "./asked.ts";
import { change } from "./change.ts";
import { whole } from "./holdings.ts";
import { isTrue } from "./json-object.ts";
import { lookup } from "./lookup.ts";
import { SPACE } from "./pod-of.ts";
import { tidyLeftSoon } from "./tidy-left.ts";

/** `DELETE /images/{x}`: with `force` its instances go with it, in one step */
export const deleteImage: Handle = async (asked) => {
  const { owner, named, query } = asked;
  return change<"image.delete">(
    asked,
    ({ holdings }) => {
      const images = whole(holdings.images).map((one) => ({ ...one, id: one.name }));
      const image = lookup("image", images, named.image!, true);
      const users = holdings.instances.filter((one) => one.image === image.name);
      const [first] = users;
      if (first && !isTrue(query.get("force"))) {
        throw new PerigeeError(
          "IMAGE_IN_USE",
          `instance ${first.name} found which uses image ${image.name}; try again with force=true`,
        );
      }
      if (image.making !== undefined) {
        throw new PerigeeError("IMAGE_IN_USE", `image ${image.name} is being made anew; try again later`);
      }
      const pods = users.map(({ pod }) => pod);
      const { version, ref } = image.content;
      return {
        operation: "image.delete",
        input: { space: SPACE, image: ref, ...(pods.length > 0 && { pods }) },
        of: { ...owner, does: "removeImage", name: image.name, version },
      };
    },
    async () => {
      await tidyLeftSoon(asked);
      return noContent();
    },
  );
};
