import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type DynamoDBClient, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import type { Sizes } from "./recorded.ts";

/** Writes the items of one transaction: the first is new, the last the chain's own, on condition of its revision. */
export type BareWrites = (chain: string, n: number, sizes: Sizes) => Promise<void>;

/** On a SQLite file with the pragmas and the table of the ledger's, one durable commit each. */
export function bareSqlite(directory: string): { write: BareWrites; close(): void } {
  const db = new DatabaseSync(join(directory, "bare.sqlite"));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec(
    `CREATE TABLE items (pk TEXT, sk TEXT, rev INTEGER, expires_at INTEGER, data TEXT, PRIMARY KEY (pk, sk)) WITHOUT ROWID`,
  );
  const revision = db.prepare("SELECT rev FROM items WHERE pk = ? AND sk = ?");
  const put = db.prepare("INSERT OR REPLACE INTO items (pk, sk, rev, data) VALUES (?, ?, ?, ?)");
  const write: BareWrites = async (chain, n, sizes) => {
    db.exec("BEGIN IMMEDIATE");
    for (const { sk, rev, data } of itemsOf(n, sizes)) {
      const found = revision.get(chain, sk) as { rev: number } | undefined;
      if ((found?.rev ?? 0) !== rev) throw new Error("the condition does not hold");
      put.run(chain, sk, rev + 1, data);
    }
    db.exec("COMMIT");
  };
  return { write, close: () => db.close() };
}

/** In a DynamoDB table with the ledger's keys. */
export function bareDynamo(client: DynamoDBClient, table: string): BareWrites {
  return async (chain, n, sizes) => {
    const TransactItems = itemsOf(n, sizes).map(({ sk, rev, data }) => ({
      Put: {
        TableName: table,
        Item: { pk: { S: chain }, sk: { S: sk }, rev: { N: String(rev + 1) }, data: { S: data } },
        ...(rev === 0
          ? { ConditionExpression: "attribute_not_exists(pk)" }
          : {
              ConditionExpression: "#rev = :rev",
              ExpressionAttributeNames: { "#rev": "rev" },
              ExpressionAttributeValues: { ":rev": { N: String(rev) } },
            }),
      },
    }));
    await client.send(new TransactWriteItemsCommand({ TransactItems }));
  };
}

/** The `n`th transaction of a chain. */
function itemsOf(n: number, sizes: Sizes): { sk: string; rev: number; data: string }[] {
  return sizes.map((bytes, i) => {
    const own = i === 0;
    return { sk: own ? "own" : `new#${n}#${i}`, rev: own ? n : 0, data: "x".repeat(bytes) };
  });
}
