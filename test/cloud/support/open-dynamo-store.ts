import { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { awsAt } from "./aws.ts";

/** For this and other processes: a connection of its own to the table. */
export async function openStore(endpoint: string, table: string): Promise<DynamoStore> {
  const aws = awsAt(endpoint);
  const store = new DynamoStore({ client: aws.dynamo, table });
  const close = store.close.bind(store);
  store.close = async () => {
    await close();
    aws.close();
  };
  return store;
}
