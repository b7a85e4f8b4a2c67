import { afterEach, beforeEach, expect, it } from "vitest";
import { containerImageId } from "#lambdas/fields/container-image-id.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
beforeEach(async () => {
  ground = await startFpgaGround();
});
afterEach(() => ground.stop());

it("a user's container images have the ids by which they are associated", async () => {
  const { epoch } = await ground.startAgent();
  const images = [{ name: "app", tag: "2", id: "i", size: 1, created: 0 }];
  await ground.tell("inventory", { epoch, user: "ada", images, volumes: [], truncated: false });
  const project = ground.project().id;
  const listed = async (user: string) => {
    const headers = { authorization: `Bearer ${ground.token(user)}` };
    return JSON.parse((await ground.send("GET", "/fpga/container-images", { headers })).text);
  };
  const own = await listed("ada");
  expect(own).toMatchObject({
    project_id: project,
    reported_at: expect.stringMatching(/Z$/),
    data: [{ image: "app:2", image_id: containerImageId(project, "ada", "app:2") }],
  });
  expect(await listed("bob")).toMatchObject({ data: [], reported_at: null });
  // the same name is another image for another user
  expect(containerImageId(ground.project("bob").id, "bob", "app:2")).not.toBe(own.data[0].image_id);
});
