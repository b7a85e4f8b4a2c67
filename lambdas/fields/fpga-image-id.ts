const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const HEX = /^[0-9a-f]{32}$/;

/** The id of the image that a command registers: the 128 bits of its ULID as 32 lower-case hex digits. */
export function imageIdOf(command: string): string {
  if (!ULID.test(command)) throw new RangeError("the command's id is no ULID");
  const bits = [...command].reduce((sum, digit) => sum * 32n + BigInt(DIGITS.indexOf(digit)), 0n);
  return bits.toString(16).padStart(32, "0");
}

/** The id of the command that registered an image: {@link imageIdOf} the other way. */
export function commandOf(image: string): string {
  if (!HEX.test(image)) throw new RangeError("the image's id is not 32 hex digits");
  let bits = BigInt(`0x${image}`);
  let text = "";
  for (let n = 0; n < 26; n++) {
    text = DIGITS[Number(bits % 32n)] + text;
    bits /= 32n;
  }
  return text;
}
