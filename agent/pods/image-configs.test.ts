import type Docker from "dockerode";
import { expect, test } from "vitest";
import { ImageConfigs } from "./image-configs.ts";
import { ImageMissing, StartFailure } from "./pod-runtime.ts";

const ID = `sha256:${"a".repeat(64)}`;

function engineWith(config: object | undefined): { docker: Docker; asked: () => number } {
  let asked = 0;
  const inspect = async () => {
    asked++;
    if (!config) throw Object.assign(new Error("no such image"), { statusCode: 404 });
    return { Config: config };
  };
  return { docker: { getImage: () => ({ inspect }) } as unknown as Docker, asked: () => asked };
}

test("an image's WORKDIR and VOLUMEs are asked for once", async () => {
  const { docker, asked } = engineWith({ WorkingDir: "/srv", Volumes: { "/cache": {}, "/db": {} } });
  const images = new ImageConfigs(docker);
  expect(await images.of(ID)).toBe("/srv");
  expect(await images.volumesOf(ID)).toEqual(["/cache", "/db"]);
  expect([asked(), images.known(ID)]).toEqual([1, "/srv"]);
});

test("one that has none of both", async () => {
  const images = new ImageConfigs(engineWith({ WorkingDir: "", Volumes: null }).docker);
  expect([await images.of(ID), await images.volumesOf(ID), images.known("other")]).toEqual(["", [], ""]);
});

test("one that is not there, and what is no content ID", async () => {
  const images = new ImageConfigs(engineWith(undefined).docker);
  await expect(images.volumesOf(ID)).rejects.toBeInstanceOf(ImageMissing);
  await expect(images.of("busybox")).rejects.toBeInstanceOf(ImageMissing);
});

test.each(["perigee.instance", "perigee.run", "perigee.", "perigee.image.other"])(
  "an image with the label %s cannot be run",
  async (label) => {
    const images = new ImageConfigs(engineWith({ WorkingDir: "/", Labels: { [label]: "" } }).docker);
    for (const asked of [images.of(ID), images.volumesOf(ID)]) {
      await expect(asked).rejects.toThrow(
        new StartFailure(`the image has the label ${label}, which is reserved`),
      );
    }
  },
);

test("what was built here, and labels of others, can", async () => {
  const Labels = { "perigee.image": "x", "perigee.image.user": "ada", perigee: "", "org.perigee.run": "x" };
  expect(await new ImageConfigs(engineWith({ WorkingDir: "/w", Labels }).docker).of(ID)).toBe("/w");
});
