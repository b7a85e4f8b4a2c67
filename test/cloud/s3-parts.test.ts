import { inject } from "vitest";
import { stagingPartsConformance } from "#test/conformance/staging-parts.ts";
import { s3UnderTest } from "./support/s3-under-test.ts";

const endpoint = inject("awsEndpoint");

stagingPartsConformance("S3", () => s3UnderTest(endpoint));
