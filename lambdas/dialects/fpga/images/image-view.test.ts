import { expect, it } from "vitest";
import type { ImageRecord } from "./image-record.ts";
import { associationsJson, detailJson, imageJson } from "./image-view.ts";

const IMAGE: ImageRecord = {
  id: "4010a32c5c62bad9015c62dc2290002b",
  status: "saving",
  bucket: "obs-fpga",
  key: "fpga.bin",
  name: "n",
  description: "",
  metadata: '{"b":1.10,"1":9007199254740993,"__proto__":{"x":1}}',
  createdAt: Date.UTC(2026, 10, 27, 9, 5, 3, 999),
  bytes: 1_048_577,
  containers: [],
};

it("an item has the contract's fields, its metadata as it came", () => {
  expect(imageJson(IMAGE)).toBe(
    `{"id":"${IMAGE.id}","name":"n","description":"","status":"saving","size":2,"createdAt":"2026-11-27 09:05:03","protected":false,"message":null,"metadata":${IMAGE.metadata},"log_directory":"obs-fpga:fpga-log","sha256":null,"format":null}`,
  );
  const active = {
    ...IMAGE,
    status: "active",
    bytes: 0,
    message: "NOT_CHECKED: x",
    sha256: "ab",
    format: "xclbin",
    containers: ["c"],
  } as const;
  expect(JSON.parse(imageJson(active))).toMatchObject({
    size: 0,
    protected: true,
    message: "NOT_CHECKED: x",
    sha256: "ab",
    format: "xclbin",
  });
  expect(JSON.parse(imageJson({ ...IMAGE, bytes: 1_048_576 }))).toMatchObject({ size: 1 });
});

it("lists count all that match, and groups are made of a page's pairs", () => {
  expect(detailJson([], 3)).toBe('{"count":3,"fpgaimages":[]}');
  expect(JSON.parse(detailJson([IMAGE, IMAGE], 2)).fpgaimages).toHaveLength(2);
  expect(associationsJson([])).toBe('{"associations":[]}');
  const pairs = ["u1", "u2", "u1"].map((container, n) => ({ container, image: { ...IMAGE, name: `n${n}` } }));
  expect(JSON.parse(associationsJson(pairs))).toMatchObject({
    associations: [
      { image_id: "u1", fpgaimages: [{ name: "n0" }, { name: "n2" }] },
      { image_id: "u2", fpgaimages: [{ name: "n1" }] },
    ],
  });
});
