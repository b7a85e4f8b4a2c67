import { expect, it } from "vitest";
import { apiDocument } from "../../docs/document.ts";
import { fpga } from "./dialect.ts";

type Schema = { properties?: Record<string, Schema>; required?: string[] };
type Operation = {
  parameters?: { in: string; name: string }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, unknown> }>;
};

it("says what each request takes, and that a log is a tar", async () => {
  const { paths } = (await apiDocument([fpga])) as { paths: Record<string, Record<string, Operation>> };
  const base = "/v1/{project}/cloudservers/fpga_image";
  const body = paths[base]?.post?.requestBody;
  expect(body?.required).toBe(true);
  const image = body?.content["application/json"]?.schema.properties?.fpga_image;
  expect(Object.keys(image?.properties ?? {})).toEqual(["location", "name", "metadata", "description"]);
  expect(image?.required).toEqual(["location", "name", "metadata"]);
  const ofQuery = (path: string) =>
    paths[path]?.get?.parameters?.filter((one) => one.in === "query").map(({ name }) => name);
  expect(ofQuery(`${base}/detail`)).toEqual(["fpga_image_id", "page", "size"]);
  expect(ofQuery(`${base}/associations`)).toEqual(["image_id", "fpga_image_id", "page", "size"]);
  expect(paths[`${base}/{image}/association`]?.delete?.requestBody?.required).toBe(true);
  expect(paths["/fpga/objects/{id}/parts"]?.post?.requestBody?.required).toBe(false);
  const log = paths["/fpga/images/{id}/log"]?.get?.responses["200"];
  expect(Object.keys(log?.content ?? {})).toEqual(["application/x-tar"]);
});
