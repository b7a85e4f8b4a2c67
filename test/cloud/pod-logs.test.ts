import { inject } from "vitest";
import { S3Staging } from "#lambdas/adapters/s3/staging.ts";
import { podLogsConformance } from "#test/conformance/pod-logs.ts";
import { awsAt, makeBucket } from "./support/aws.ts";

const endpoint = inject("awsEndpoint");

const makeStaging = async () => {
  const aws = awsAt(endpoint);
  return {
    staging: new S3Staging({ client: aws.s3, bucket: await makeBucket(aws.s3) }),
    close: async () => aws.close(),
  };
};
podLogsConformance("S3", makeStaging, 60);
