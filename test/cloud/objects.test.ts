import { inject } from "vitest";
import { s3Objects } from "#lambdas/adapters/s3/objects.ts";
import { S3Staging } from "#lambdas/adapters/s3/staging.ts";
import { objectSourceConformance } from "#test/conformance/object-source.ts";
import { awsAt, makeBucket } from "./support/aws.ts";

const endpoint = inject("awsEndpoint");

objectSourceConformance("S3", async () => {
  const aws = awsAt(endpoint);
  const staging = new S3Staging({ client: aws.s3, bucket: await makeBucket(aws.s3) });
  const objects = s3Objects({ client: aws.s3, bucket: await makeBucket(aws.s3) }, staging);
  return { objects, staging, close: async () => aws.close() };
});
