import { type Literal, NumberText } from "../../../http/json-text.ts";

/** Are two JSON values equal, whatever the order of keys and the spelling of numbers and texts? */
export function sameLiteral(one: Literal, other: Literal): boolean {
  if (one instanceof NumberText || other instanceof NumberText) {
    return one instanceof NumberText && other instanceof NumberText && sameNumber(one.text, other.text);
  }
  if (Array.isArray(one) || Array.isArray(other)) {
    return (
      Array.isArray(one) &&
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((value, at) => sameLiteral(value, other[at]))
    );
  }
  if (one instanceof Map || other instanceof Map) {
    return (
      one instanceof Map &&
      other instanceof Map &&
      one.size === other.size &&
      [...one].every(([key, value]) => other.has(key) && sameLiteral(value, other.get(key)))
    );
  }
  return one === other;
}

/** Exactly, so that neighbours above 2^53 differ, and without writing out an exponent. */
function sameNumber(one: string, other: string): boolean {
  return one === other || normalForm(one) === normalForm(other);
}

/** Digits without zeros around them, and the power of ten of the last: `-12e-1` for -1.20. */
function normalForm(text: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  const short = digits.replace(/0+$/, "");
  if (short === "") return "0";
  return `${sign}${short}e${BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - short.length)}`;
}
