import { LIMITS } from "./limits.ts";
import type { InventoryReport } from "./wire.ts";

/** Of a list that has to be shorter, this share goes at once. */
const SHARE = 8;

/**
 * A report whose lists are cut until its JSON fits into one item of the ground's store (`LIMITS.inventoryBytes`): the
 * list that takes most loses its last entries first. What is cut is said by `truncated`, loads of FPGAs aside: they are
 * the latest only, in any case.
 */
export function boundedInventory(report: InventoryReport): InventoryReport {
  const { images, volumes, fpga } = report;
  const lists = [images, volumes, fpga?.images ?? [], fpga?.loads ?? []].map(weighed);
  for (;;) {
    const bytes = lists.reduce((sum, list) => sum + list.bytes, 0);
    if (bytes <= LIMITS.inventoryBytes) break;
    const largest = lists.reduce((one, other) => (other.bytes > one.bytes ? other : one));
    cut(largest);
  }
  const [imagesKept, volumesKept, fpgaImages, loads] = lists.map(({ sizes }) => sizes.length);
  return {
    ...report,
    images: images.slice(0, imagesKept),
    volumes: volumes.slice(0, volumesKept),
    ...(fpga && { fpga: { images: fpga.images.slice(0, fpgaImages), loads: fpga.loads.slice(0, loads) } }),
    truncated: report.truncated || imagesKept! < images.length || volumesKept! < volumes.length,
  };
}

type Weighed = { sizes: number[]; bytes: number };

function weighed(list: readonly unknown[]): Weighed {
  const sizes = list.map((entry) => Buffer.byteLength(JSON.stringify(entry)) + 1);
  return { sizes, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

function cut(list: Weighed): void {
  const gone = list.sizes.splice(-Math.max(1, Math.ceil(list.sizes.length / SHARE)));
  list.bytes -= gone.reduce((sum, size) => sum + size, 0);
}
