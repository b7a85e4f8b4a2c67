import { inject } from "vitest";
import { S3Staging } from "#lambdas/adapters/s3-staging.ts";
import { stagingPartsConformance } from "#test/conformance/staging-parts.ts";
import { awsAt, makeBucket } from "./support/aws.ts";

const endpoint = inject("awsEndpoint");

stagingPartsConformance("S3", async () => {
  const aws = awsAt(endpoint);
  const bucket = await makeBucket(aws.s3);
  return {
    staging: new S3Staging({ client: aws.s3, bucket }),
    // S3 refuses who comes without a signature; LocalStack knows no private buckets
    fetchSigned: async (url, init) =>
      url.includes("X-Amz-Signature") ? fetch(url, init) : new Response(null, { status: 403 }),
    close: async () => aws.close(),
  };
});
