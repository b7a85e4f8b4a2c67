import { inject } from "vitest";
import { largeEnds } from "#test/chain/support/large-ends.ts";
import { makeCloudWorld } from "./support/cloud-world.ts";

largeEnds("DynamoDB and S3", () => makeCloudWorld(inject("awsEndpoint")));
