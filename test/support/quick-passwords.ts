import type { PasswordCost } from "#lambdas/auth/password.ts";

/**
 * For hashes of users whom tests make: a test would spend more time on the real ones than on all else. Each hash names
 * its cost, so a ground of its own process checks them as quickly.
 */
export const QUICK_PASSWORDS: PasswordCost = { ln: 4, r: 8, p: 1 };
