/** What LocalStack takes for anybody's credentials. */
const TEST = "test";

/** The environment in which AWS's SDK, its CLI and CDK speak to the emulator at `endpoint`, and to nothing else. */
export function emulatorEnv(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    // CDK puts assets there by names that only work with the path in front
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: "us-east-1",
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: TEST,
    AWS_SECRET_ACCESS_KEY: TEST,
    AWS_EC2_METADATA_DISABLED: "true",
  };
}
