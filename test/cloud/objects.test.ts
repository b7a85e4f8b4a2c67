import { inject } from "vitest";
import { LateS3Staging } from "#lambdas/adapters/s3/late-staging.ts";
import { s3Objects } from "#lambdas/adapters/s3/objects.ts";
import { objectSourceConformance } from "#test/conformance/object-source.ts";
import { awsAt, makeBucket } from "./support/aws.ts";

const endpoint = inject("awsEndpoint");

objectSourceConformance("S3", async () => {
  const aws = awsAt(endpoint);
  const inBucket = async () => {
    const bucket = await makeBucket(aws.s3);
    return new LateS3Staging({ client: () => aws.s3, bucket });
  };
  const staging = await inBucket();
  const objects = s3Objects(await inBucket(), staging);
  return { objects, staging, close: async () => aws.close() };
});
