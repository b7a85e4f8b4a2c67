import { WindowFieldError } from "#protocol/window-fields.ts";
import { usage } from "../failure.ts";

/** What `read` makes of options. @throws CliFailure USAGE for one that breaks a rule of windows, by the option's name */
export function checkedOption<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WindowFieldError)) throw error;
    const [field = "", ...rule] = error.message.split(": ");
    throw usage(`--${field.replaceAll("_", "-")}: ${rule.join(": ")}`);
  }
}
