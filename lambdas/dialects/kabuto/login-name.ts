import { atMost } from "./parameters.ts";
import { parameterError } from "./refusals.ts";

/**
 * A login as it is compared: in Unicode's NFC.
 * @throws INVALID_PARAMETERS for one that nobody can have
 */
export function loginName(text: string): string {
  const login = atMost("login", text.normalize("NFC"), 64);
  if (/[\p{Cc}/]/u.test(login)) throw parameterError("login", "must have no control characters and no /");
  return login;
}
