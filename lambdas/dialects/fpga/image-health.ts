import { decodeTime } from "ulid";
import type { MetricValue } from "../../metrics/embedded-metrics.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { DialectCore } from "../core.ts";
import { type StoreRecord, workKeys } from "./store/work-records.ts";

const PAGE = 100;

/** How long ago the oldest image was registered that is not on its edge, although that is in contact. */
export async function imageHealth({
  records,
  commands,
  now,
}: Pick<DialectCore, "records" | "commands" | "now">): Promise<Record<string, MetricValue>> {
  const contact = new Map<string, boolean>();
  const isInContact = async (edge: string) => {
    const known = contact.get(edge) ?? (await commands.inContact(edge));
    contact.set(edge, known);
    return known;
  };
  // in the order of their registration
  for await (const page of pagesOf<StoreRecord>(records, { pk: workKeys.stores, limit: PAGE })) {
    for (const { sk, data } of page) {
      if (await isInContact(data.edge)) return saving(now() - decodeTime(sk));
    }
  }
  return saving(0);
}

const saving = (ms: number): Record<string, MetricValue> => ({
  LongestSaving: { value: ms / 1000, unit: "Seconds" },
});
