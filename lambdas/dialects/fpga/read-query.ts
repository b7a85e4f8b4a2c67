import { CONTAINER_IMAGE, CONTAINER_IMAGE_RULE } from "./read-body.ts";
import { REFUSALS } from "./refusals.ts";

export const FPGA_IMAGE = /^[0-9a-f]{32}$/;
const FPGA_IMAGE_RULE = "is 32 lower-case hex digits";

/** Which part of a list is asked for: `page` from 1 on. */
export type Page = { page: number; size: number };

export type DetailQuery = { image?: string; page?: Page };
export type AssociationsQuery = { image?: string; container?: string; page?: Page };

/** Checks the id of an FPGA image in a path. @throws 400 Ecs.0005 */
export function readImageId(id: string): string {
  if (!FPGA_IMAGE.test(id)) throw REFUSALS.rule("fpga_image_id", FPGA_IMAGE_RULE);
  return id;
}

/** @param query of the raw target, without the question mark. @throws 400 Ecs.0005 */
export function readDetailQuery(query: string): DetailQuery {
  const parameters = parametersOf(query, ["fpga_image_id", "image_id"]);
  const image = parameters.get("fpga_image_id");
  if (image !== undefined) return { image: readImageId(image) };
  return pageOf(parametersOf(query, PAGING));
}

/** @param query of the raw target, without the question mark. @throws 400 Ecs.0005 */
export function readAssociationsQuery(query: string): AssociationsQuery {
  const parameters = parametersOf(query, ["fpga_image_id", "image_id"]);
  const image = parameters.get("fpga_image_id");
  const container = parameters.get("image_id");
  if (image !== undefined) readImageId(image);
  if (container !== undefined && !CONTAINER_IMAGE.test(container)) {
    throw REFUSALS.rule("image_id", CONTAINER_IMAGE_RULE);
  }
  const ids = { ...(image !== undefined && { image }), ...(container !== undefined && { container }) };
  // of one pair there are no pages: what they are is not even looked at
  if (image !== undefined && container !== undefined) return ids;
  return { ...ids, ...pageOf(parametersOf(query, PAGING)) };
}

/** Items of a page, or all of them without one; none behind the end. */
export function onPage<T>(items: readonly T[], page: Page | undefined): readonly T[] {
  return page ? items.slice((page.page - 1) * page.size, page.page * page.size) : items;
}

const PAGING = ["page", "size"];

/** The parameters that have a value. @throws 400 for one of `names` that is given twice */
function parametersOf(query: string, names: readonly string[]): ReadonlyMap<string, string> {
  const all = new URLSearchParams(query);
  const twice = names.find((name) => all.getAll(name).length > 1);
  if (twice !== undefined) throw REFUSALS.rule(twice, "is given once");
  return new Map([...all].filter(([, value]) => value !== ""));
}

function pageOf(parameters: ReadonlyMap<string, string>): { page?: Page } {
  const page = numberOf(parameters, "page", 65_534);
  const size = numberOf(parameters, "size", 100);
  if (page === undefined && size === undefined) return {};
  if (page === undefined || size === undefined)
    throw REFUSALS.rule("page, size", "are given both or neither");
  return { page: { page, size } };
}

function numberOf(parameters: ReadonlyMap<string, string>, name: string, most: number): number | undefined {
  const text = parameters.get(name);
  if (text === undefined) return undefined;
  const value = /^[0-9]+$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) throw REFUSALS.rule(name, `is a whole number from 1 to ${most}`);
  return value;
}
