import { describe, expect, it } from "vitest";
import { onPage, readAssociationsQuery, readDetailQuery } from "./read-query.ts";

const ID = "0123456789abcdef0123456789abcdef";
const UUID = "01234567-89ab-cdef-0123-456789abcdef";
const refusal = (field: string) => expect.objectContaining({ message: expect.stringMatching(`^${field}: `) });

describe("queries", () => {
  it.each([
    ["", {}],
    ["page=1&size=100", { page: { page: 1, size: 100 } }],
    ["page=01&size=001", { page: { page: 1, size: 1 } }],
    ["page=65534&size=1", { page: { page: 65534, size: 1 } }],
    ["page=&size=", {}],
    ["other=1&other=2", {}],
    [`fpga_image_id=${ID}&page=x&size=`, { image: ID }],
    [`fpga_image_id=&page=2&size=3`, { page: { page: 2, size: 3 } }],
  ])("of detail: %s", (query, expected) => {
    expect(readDetailQuery(query)).toEqual(expected);
  });

  it.each([
    "0",
    "65535",
    "+1",
    "%2B1",
    "-1",
    "1.0",
    "%201",
    "1%20",
    "1e1",
    "0x1",
    "%D9%A1",
    "99999999999999999999",
  ])("refuse the page %s", (page) => {
    expect(() => readDetailQuery(`page=${page}&size=1`)).toThrow(refusal("page"));
  });
  it.each(["0", "101", "a"])("refuse the size %s", (size) => {
    expect(() => readDetailQuery(`page=1&size=${size}`)).toThrow(refusal("size"));
  });
  it("refuse a page without a size, and the reverse", () => {
    for (const query of ["page=1", "size=1", "page=1&size=", "page=&size=1"]) {
      expect(() => readDetailQuery(query)).toThrow(refusal("page, size"));
      expect(() => readAssociationsQuery(`image_id=${UUID}&${query}`)).toThrow(refusal("page, size"));
    }
  });
  it("refuse a parameter that is given twice, and what is no id", () => {
    expect(() => readDetailQuery("page=1&page=1&size=1")).toThrow(refusal("page"));
    // of one image there are no pages: what they are is not even looked at
    expect(readDetailQuery(`fpga_image_id=${ID}&page=0&page=x&size=`)).toEqual({ image: ID });
    for (const id of [ID.toUpperCase(), ID.slice(1), `${ID}0`, `${ID}%0A`]) {
      expect(() => readDetailQuery(`fpga_image_id=${id}`)).toThrow(refusal("fpga_image_id"));
      expect(() => readAssociationsQuery(`fpga_image_id=${id}`)).toThrow(refusal("fpga_image_id"));
    }
    expect(() => readAssociationsQuery(`image_id=${UUID.toUpperCase()}`)).toThrow(refusal("image_id"));
  });
  it("of associations", () => {
    expect(readAssociationsQuery("")).toEqual({});
    expect(readAssociationsQuery(`image_id=${UUID}&page=1&size=2`)).toEqual({
      container: UUID,
      page: { page: 1, size: 2 },
    });
    expect(readAssociationsQuery(`image_id=${UUID}&fpga_image_id=${ID}&page=0`)).toEqual({
      container: UUID,
      image: ID,
    });
  });
  it("have pages, and none behind the end", () => {
    const items = [1, 2, 3, 4, 5];
    expect(onPage(items, undefined)).toEqual(items);
    expect(onPage(items, { page: 2, size: 2 })).toEqual([3, 4]);
    expect(onPage(items, { page: 3, size: 2 })).toEqual([5]);
    expect(onPage(items, { page: 65534, size: 100 })).toEqual([]);
  });
});
