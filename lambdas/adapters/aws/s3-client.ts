import { S3Client } from "@aws-sdk/client-s3";
import { type AwsPlace, clientSettings } from "./client-settings.ts";

/** The client of staging. The caller has to destroy it. */
export function s3Client(place: AwsPlace, env: NodeJS.ProcessEnv = process.env): S3Client {
  const elsewhere = place.endpoint ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  return new S3Client({
    ...clientSettings(place),
    // With custom agents the SDK would send `Expect: 100-continue` without waiting for the answer.
    expectContinueHeader: false,
    // Otherwise signed URLs contain the checksum of an empty body, and S3 refuses every PUT to them.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // no DNS name `<bucket>.<endpoint>` exists for a custom endpoint
    forcePathStyle: elsewhere !== undefined,
  });
}
