import { describe, inject, onTestFinished } from "vitest";
import { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { runnerPoolsSuite } from "#test/conformance/runner-pools.ts";
import { awsAt, dropTable, makeTable } from "./support/aws.ts";

/** Each is several requests to an emulator; other stores put them all. */
const FEW = { puts: 6 };

describe("in DynamoDB", () => {
  runnerPoolsSuite(async () => {
    const connections: ReturnType<typeof awsAt>[] = [];
    const connect = () => {
      const aws = awsAt(inject("awsEndpoint"));
      connections.push(aws);
      return aws;
    };
    const { dynamo } = connect();
    const table = await makeTable(dynamo);
    onTestFinished(async () => {
      await dropTable(dynamo, table);
      for (const aws of connections) aws.close();
    });
    const another = () => new DynamoStore({ client: connect().dynamo, table });
    return { store: another(), another };
  }, FEW);
});
