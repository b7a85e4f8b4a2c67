/**
 * Seconds of validity as options of the presigner. S3 takes no negative ones, so a URL that has already expired gets an
 * earlier signing date.
 */
export function signedFor(seconds: number): { expiresIn: number; signingDate?: Date } {
  if (seconds >= 1) return { expiresIn: Math.floor(seconds) };
  return { expiresIn: 1, signingDate: new Date(Date.now() + seconds * 1000 - 1000) };
}
