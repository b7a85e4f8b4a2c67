/** What `npm start` says when it is ready; pure. */
export function readyLines(url: string, environment: Readonly<Record<string, string | undefined>>): string[] {
  const openUser = environment.PERIGEE_POSEIDON_OPEN_USER;
  return [
    `Perigee is ready at ${url}`,
    ...(openUser ? [`Poseidon's API is at ${url}/api/v1, without a token, as the user ${openUser}`] : []),
  ];
}
