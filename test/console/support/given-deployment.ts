import type { ConsoleTarget } from "./target.ts";

/** The deployment that PERIGEE_URL names, with its users; at LOCALSTACK_ENDPOINT, where that is set, it has its storage. */
export function givenDeployment(
  env: NodeJS.ProcessEnv = process.env,
): Omit<ConsoleTarget, "browser"> | undefined {
  const { PERIGEE_URL: url, LOCALSTACK_ENDPOINT: endpoint } = env;
  if (!url) return undefined;
  const user = (which: string) => ({
    name: required(env, `PERIGEE_USER${which}`),
    password: required(env, `PERIGEE_PASSWORD${which}`),
  });
  return {
    url,
    user: user(""),
    other: user("2"),
    storage: Boolean(endpoint),
  };
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (!value) throw new Error(`PERIGEE_URL is set, so ${name} must be too`);
  return value;
}
