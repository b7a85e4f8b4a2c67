import { expect, test, vi } from "vitest";
import type { Account } from "../../auth/accounts.ts";
import { CheckedPasswords } from "./checked-passwords.ts";

test("a password that was right is believed for ten seconds, and one that was wrong never", async () => {
  let now = 0;
  const known = new CheckedPasswords(() => now);
  const ada = { name: "ada" } as Account;
  const check = vi.fn(async () => ada);
  for (now of [0, 5_000, 9_999]) expect(await known.account("ada", "right", check)).toBe(ada);
  expect(check).toHaveBeenCalledTimes(1);
  const wrong = vi.fn(async () => Promise.reject(new Error("wrong")));
  for (let n = 0; n < 2; n++) await expect(known.account("ada", "wrong", wrong)).rejects.toThrow("wrong");
  expect(wrong).toHaveBeenCalledTimes(2);
  now = 10_000;
  await known.account("ada", "right", check);
  // a clock that was set back believes nothing that is to come
  now = 5_000;
  await known.account("ada", "right", check);
  expect(check).toHaveBeenCalledTimes(3);
});
