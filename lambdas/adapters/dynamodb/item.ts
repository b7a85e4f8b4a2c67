import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { Item, Key, Query } from "../../ports/ledger-store.ts";
import type { Put } from "../steps.ts";

/**
 * How the ledger's items are stored in the table: `pk`, `sk` (strings, the key), `rev` (number), `data` (JSON text,
 * so that numbers and lone surrogates stay exact), `expiresAt` (ms, when it has one), `ttl` (the same in
 * seconds, for DynamoDB's own cleaning), `by` (which call wrote it).
 */
export type Row = Record<string, AttributeValue>;

export function toKey({ pk, sk }: Key): Row {
  return { pk: { S: pk }, sk: { S: sk } };
}

/** @param known as a query's */
export function toItem<T>(row: Row, known?: Query["known"]): Item<T> {
  const sk = row.sk!.S!;
  const rev = Number(row.rev!.N);
  const data = (known?.(sk, rev) ?? JSON.parse(row.data!.S!)) as T;
  const item: Item<T> = { pk: row.pk!.S!, sk, rev, data };
  if (row.expiresAt) item.expiresAt = Number(row.expiresAt.N);
  return item;
}

/** The complete item of a put whose revision is known beforehand. */
export function toRow(step: Put, rev: number, by: string): Row {
  return {
    ...toKey(step.key),
    rev: { N: String(rev) },
    data: { S: step.data },
    by: { S: by },
    ...(step.expiresAt !== undefined && {
      expiresAt: { N: String(step.expiresAt) },
      ttl: { N: String(Math.ceil(step.expiresAt / 1000)) },
    }),
  };
}

/** An unconditional put as an update, which raises the revision by one whatever it was. */
export function toUpdate(step: Put, by: string) {
  const expires = step.expiresAt !== undefined;
  return {
    Key: toKey(step.key),
    UpdateExpression:
      "SET #rev = if_not_exists(#rev, :zero) + :one, #data = :data, #by = :by" +
      (expires ? ", #expiresAt = :expiresAt, #ttl = :ttl" : " REMOVE #expiresAt, #ttl"),
    ExpressionAttributeNames: {
      "#rev": "rev",
      "#data": "data",
      "#by": "by",
      "#expiresAt": "expiresAt",
      "#ttl": "ttl",
    },
    ExpressionAttributeValues: {
      ":zero": { N: "0" },
      ":one": { N: "1" },
      ":data": { S: step.data },
      ":by": { S: by },
      ...(expires && {
        ":expiresAt": { N: String(step.expiresAt) },
        ":ttl": { N: String(Math.ceil(step.expiresAt! / 1000)) },
      }),
    },
  };
}

/** The condition of a write on a revision. */
export function toCondition(rev: number): {
  ConditionExpression: string;
  ExpressionAttributeNames: Record<string, string>;
  ExpressionAttributeValues?: Row;
} {
  return rev === 0
    ? { ConditionExpression: "attribute_not_exists(#pk)", ExpressionAttributeNames: { "#pk": "pk" } }
    : {
        ConditionExpression: "#rev = :rev",
        ExpressionAttributeNames: { "#rev": "rev" },
        ExpressionAttributeValues: { ":rev": { N: String(rev) } },
      };
}
