/** A time (seconds) as the presigner takes it. One that is over already is signed as such: S3 has no negative ones. */
export function signedFor(seconds: number): { expiresIn: number; signingDate?: Date } {
  if (seconds >= 1) return { expiresIn: Math.floor(seconds) };
  return { expiresIn: 1, signingDate: new Date(Date.now() + seconds * 1000 - 1000) };
}
