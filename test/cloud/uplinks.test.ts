import { inject } from "vitest";
import { uplinksConformance } from "#test/conformance/uplinks.ts";
import { makeCloudWorld } from "./support/cloud-world.ts";

uplinksConformance("DynamoDB and S3", (options) => makeCloudWorld(inject("awsEndpoint"), options));
