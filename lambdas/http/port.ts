const MOST_PORT = 65_535;

/** The rule of a setting that is a port, when `value` breaks it. */
export function wrongPort(value: string): string | undefined {
  return /^\d{1,5}$/.test(value) && Number(value) <= MOST_PORT
    ? undefined
    : `is no whole number from 0 (any free port) to ${MOST_PORT}`;
}

/** The ground's port: PERIGEE_PORT, or 8080. @throws Error that names the setting and its rule */
export function groundPort({ PERIGEE_PORT: value }: NodeJS.ProcessEnv): number {
  if (!value) return 8080;
  const wrong = wrongPort(value);
  if (wrong) throw new Error(`PERIGEE_PORT: ${JSON.stringify(value)} ${wrong}`);
  return Number(value);
}
