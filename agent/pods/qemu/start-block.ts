/** Where a `baremetal` program finds it (guest/aarch64/begin.S). */
export const START_ADDRESS = 0x40200000;

/** Memory begins here; the program itself at the second address (guest/aarch64/link.ld). */
const MEMORY = 0x40000000n;
const PROGRAM = 0x40400000;

const WORD = 8;
const HEAD = 4 * WORD;

/**
 * What a `baremetal` program starts with, for {@link START_ADDRESS}: the end of memory, then argc, argv and environ as
 * the C library wants them, with the addresses of their texts. Pure.
 * @throws RangeError when it does not fit before the program
 */
export function startBlock(
  argv: readonly string[],
  envs: Readonly<Record<string, string>>,
  memoryBytes: number,
): Buffer {
  const environment = Object.entries(envs).map(([name, value]) => `${name}=${value}`);
  const argvAt = START_ADDRESS + HEAD;
  const environAt = argvAt + (argv.length + 1) * WORD;
  let textAt = environAt + (environment.length + 1) * WORD;
  const texts: Buffer[] = [];
  const addresses = (list: readonly string[]) => {
    const found = list.map((text) => {
      const bytes = Buffer.from(`${text}\0`);
      texts.push(bytes);
      const at = textAt;
      textAt += bytes.length;
      return BigInt(at);
    });
    return [...found, 0n];
  };
  const words = [
    MEMORY + BigInt(memoryBytes),
    BigInt(argv.length),
    BigInt(argvAt),
    BigInt(environAt),
    ...addresses(argv),
    ...addresses(environment),
  ];
  if (textAt > PROGRAM) throw new RangeError("the arguments and environment are too long");
  return Buffer.concat([Buffer.from(BigUint64Array.from(words).buffer), ...texts]);
}
