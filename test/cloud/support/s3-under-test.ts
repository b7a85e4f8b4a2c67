import { S3Staging } from "#lambdas/adapters/s3/staging.ts";
import type { StagingUnderTest } from "#test/conformance/staging.ts";
import { awsAt, makeBucket } from "./aws.ts";

/** S3 staging on a bucket of its own, for the suites of the port. */
export async function s3UnderTest(endpoint: string): Promise<StagingUnderTest & { staging: S3Staging }> {
  const aws = awsAt(endpoint);
  const bucket = await makeBucket(aws.s3);
  return {
    staging: new S3Staging({ client: aws.s3, bucket }),
    // S3 refuses who comes without a signature; LocalStack knows no private buckets
    fetchSigned: async (url, init) =>
      url.includes("X-Amz-Signature") ? fetch(url, init) : new Response(null, { status: 403 }),
    close: async () => aws.close(),
  };
}
